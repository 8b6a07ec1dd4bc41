/** The filter: words, and facets with their counts. */
import React from 'react';

import type { Facet } from '../api/types';
import { useEnv, useSignals } from '../env';
import { Icon } from '../icons';
import { Button } from '../parts';
import { counted } from '../words';
import type { CatalogModel, Filter } from './model';
import { NO_FILTER } from './model';

type Choice = 'modality' | 'tag' | 'owner';

export function Search(props: { model: CatalogModel; toTree: () => void }): JSX.Element {
  const { model } = props;
  const { trans } = useEnv();
  useSignals(model.changed);
  const [facets, setFacets] = React.useState(false);
  const { filter, found } = model;
  const chosen = filter.modality.length + filter.tag.length + filter.owner.length;
  const facetsId = React.useId();
  return (
    <div className="jp-GovCatalog-search" role="search">
      <div className="jp-GovCatalog-searchline">
        <input
          type="search"
          className="jp-GovCatalog-input"
          placeholder={trans.__('Find name, text, tag, column')}
          aria-label={trans.__('Find assets')}
          spellCheck={false}
          maxLength={200}
          value={filter.text}
          onChange={event => model.setFilter({ text: event.target.value })}
          onKeyDown={event => {
            if (event.key === 'ArrowDown') {
              event.preventDefault();
              props.toTree();
            } else if (event.key === 'Escape' && filter.text) {
              event.stopPropagation();
              model.setFilter({ text: '' });
            }
          }}
        />
      </div>
      <div className="jp-GovCatalog-filters">
        <label className="jp-GovCatalog-check">
          <input
            type="checkbox"
            checked={filter.readable}
            onChange={event => model.setFilter({ readable: event.target.checked })}
          />
          {trans.__('I may read')}
        </label>
        <button
          type="button"
          className="jp-GovCatalog-button jp-mod-plain"
          aria-expanded={facets}
          aria-controls={facetsId}
          onClick={() => setFacets(!facets)}
        >
          <Icon name="chevron" className={facets ? 'jp-mod-open' : ''} />
          <span>{chosen ? trans.__('Filters (%1)', chosen) : trans.__('Filters')}</span>
        </button>
        <span className="jp-GovCatalog-total" role="status">
          {found ? trans._n('%2 asset', '%2 assets', found.total, counted(found.total)) : ''}
        </span>
      </div>
      {chosen > 0 && !facets && <Chips model={model} />}
      {facets && found && (
        <div id={facetsId} className="jp-GovCatalog-facets">
          <FacetList model={model} choice="modality" label={trans.__('Modality')} values={found.facets.modality} />
          <FacetList model={model} choice="tag" label={trans.__('Tag')} values={found.facets.tag} />
          <FacetList model={model} choice="owner" label={trans.__('Owner')} values={found.facets.owner} />
          {model.filtered && (
            <Button
              label={trans.__('Clear all filters')}
              icon="close"
              onClick={() => model.setFilter(NO_FILTER)}
            />
          )}
        </div>
      )}
    </div>
  );
}

function Chips(props: { model: CatalogModel }): JSX.Element {
  const { trans } = useEnv();
  const { filter } = props.model;
  const choices: Choice[] = ['modality', 'tag', 'owner'];
  return (
    <div className="jp-GovCatalog-chips">
      {choices.flatMap(choice =>
        filter[choice].map(value => (
          <button
            type="button"
            key={`${choice}:${value}`}
            className="jp-GovCatalog-chip"
            title={trans.__('Take this filter away')}
            onClick={() => props.model.setFilter(toggled(filter, choice, value))}
          >
            <span>{value}</span>
            <Icon name="close" />
          </button>
        ))
      )}
    </div>
  );
}

/** Values of one facet; chosen ones stay in the list even where they find nothing now. */
function FacetList(props: {
  model: CatalogModel;
  choice: Choice;
  label: string;
  values: readonly Facet[];
}): JSX.Element | null {
  const { trans } = useEnv();
  const [all, setAll] = React.useState(false);
  const { choice, model, values } = props;
  const chosen = model.filter[choice];
  const gone = chosen.filter(c => !values.some(v => v.value === c)).map(value => ({ value, count: 0 }));
  const listed = [...values, ...gone];
  if (!listed.length) {
    return null;
  }
  const FEW = 6;
  const shown = all ? listed : listed.filter((v, i) => i < FEW || chosen.includes(v.value));
  return (
    <fieldset>
      <legend>{props.label}</legend>
      {shown.map(({ value, count }) => (
        <label key={value} className="jp-GovCatalog-check" title={value}>
          <input
            type="checkbox"
            checked={chosen.includes(value)}
            onChange={() => model.setFilter(toggled(model.filter, choice, value))}
          />
          <span className="jp-GovCatalog-name">{value || trans.__('(none)')}</span>
          <span className="jp-GovCatalog-count">{counted(count)}</span>
        </label>
      ))}
      {shown.length < listed.length && (
        <Button label={trans.__('Show all %1', listed.length)} onClick={() => setAll(true)} />
      )}
    </fieldset>
  );
}

function toggled(filter: Filter, choice: Choice, value: string): Partial<Filter> {
  const now = filter[choice];
  return { [choice]: now.includes(value) ? now.filter(v => v !== value) : [...now, value] };
}
