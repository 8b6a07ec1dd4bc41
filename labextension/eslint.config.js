const tseslint = require('typescript-eslint');

module.exports = tseslint.config(
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { project: './tsconfig.check.json', tsconfigRootDir: __dirname }
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-unnecessary-condition': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // Text is rendered as text: nothing that parses HTML, and nothing that logs what it was sent.
      'no-restricted-properties': [
        'error',
        { property: 'innerHTML', message: 'set textContent, or render with React' },
        { property: 'outerHTML', message: 'set textContent, or render with React' },
        { property: 'insertAdjacentHTML', message: 'set textContent, or render with React' }
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'JSXAttribute[name.name="dangerouslySetInnerHTML"]',
          message: 'text is rendered as text'
        }
      ],
      // Slots of signals are methods; `connect` is told whose.
      '@typescript-eslint/unbound-method': 'off',
      curly: 'error',
      eqeqeq: 'error',
      'no-console': 'error'
    }
  },
  {
    files: ['tests/**'],
    // node:test returns promises that its runner waits for.
    rules: { '@typescript-eslint/no-floating-promises': 'off' }
  }
);
