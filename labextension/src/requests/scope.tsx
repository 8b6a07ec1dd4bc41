/** Which of the lake's scopes is meant. */
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { Scope } from '../api/types';

export function ScopeChoice(props: {
  trans: TranslationBundle;
  scopes: readonly Scope[];
  value: string;
  onChange: (scope: string) => void;
}): JSX.Element {
  const { scopes, value } = props;
  const listed = !value || scopes.some(s => s.name === value) ? scopes : [{ name: value, description: '' }, ...scopes];
  return (
    <select className="jp-GovCatalog-input" value={value} onChange={event => props.onChange(event.target.value)}>
      <option value="">{props.trans.__('(who decides chooses)')}</option>
      {listed.map(scope => (
        <option key={scope.name} value={scope.name}>
          {scope.description ? `${scope.name}: ${scope.description}` : scope.name}
        </option>
      ))}
    </select>
  );
}
