/** Filter and tree, and what stands there instead while there is nothing to show. */
import React from 'react';

import { useEnv, useSignals } from '../env';
import { Button, Failed, Loading, Notice } from '../parts';
import { NO_FILTER } from './model';
import type { CatalogModel } from './model';
import { Search } from './search';
import { Tree } from './tree';

export function Browser(props: {
  model: CatalogModel;
  selected: string | null;
  onSelect: (asset: string) => void;
}): JSX.Element {
  const { model } = props;
  const { status } = useEnv();
  const place = React.useRef<HTMLDivElement>(null);
  useSignals(model.changed, status.changed);
  return (
    <div className="jp-GovCatalog-browser" ref={place}>
      <Search
        model={model}
        toTree={() => place.current?.querySelector<HTMLElement>('[role=tree]')?.focus()}
      />
      <Result {...props} />
    </div>
  );
}

function Result(props: {
  model: CatalogModel;
  selected: string | null;
  onSelect: (asset: string) => void;
}): JSX.Element {
  const { model } = props;
  const { trans, status } = useEnv();
  const again = () => {
    void status.refresh();
    model.reload();
  };
  if (!model.found) {
    // While the gateway is away, the header says so; here is nothing yet.
    if (status.link === 'starting') {
      return <Notice icon="pending" title={trans.__('The gateway is starting')} text={trans.__('A moment…')} />;
    }
    if (status.link === 'absent') {
      return (
        <Notice
          icon="warning"
          alert
          title={trans.__('The server extension is not running')}
          text={trans.__(
            'Install jupyter_govdata where Jupyter runs, then: jupyter server extension enable jupyter_govdata'
          )}
        />
      );
    }
    const error = model.error ?? (status.link === 'ready' || status.link === 'loading' ? null : status.error);
    return error ? <Failed error={error} again={again} /> : <Loading />;
  }
  if (model.error && status.link === 'ready') {
    return <Failed error={model.error} again={again} />;
  }
  if (!model.found.total) {
    return model.filtered ? (
      <Notice title={trans.__('Nothing found')} text={trans.__('No asset that you may see matches.')}>
        <Button label={trans.__('Clear all filters')} icon="close" onClick={() => model.setFilter(NO_FILTER)} />
      </Notice>
    ) : (
      <Notice
        title={trans.__('Nothing to see yet')}
        text={trans.__(
          'Under this purpose there is no asset for you. Choose another purpose above, or ask your data steward.'
        )}
      />
    );
  }
  return <Tree model={model} selected={props.selected} onSelect={props.onSelect} />;
}
