/** Names of the commands of the notebook parts. */
export const NotebookCommands = {
  show: 'govdata:show-notebook-data',
  refresh: 'govdata:refresh-notebook-data',
  rerunPinned: 'govdata:rerun-pinned',
  rerunCurrent: 'govdata:rerun-current',
  verify: 'govdata:verify-notebook',
  hold: 'govdata:hold-snapshots',
  export: 'govdata:export-notebook',
  stop: 'govdata:stop-work',
  putAway: 'govdata:put-result-away',
  openResult: 'govdata:open-result',
  goToCell: 'govdata:go-to-cell',
  addQuery: 'govdata:add-query-cell',
  setPurpose: 'govdata:set-purpose',
  choosePurpose: 'govdata:choose-purpose'
} as const;
