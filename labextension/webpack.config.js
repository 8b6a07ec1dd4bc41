// Names instead of numbers that hang on the folder: two builds anywhere give the same bytes.
module.exports = { optimization: { moduleIds: 'named', chunkIds: 'named' } };
