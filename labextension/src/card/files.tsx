/** Files that I may open, with small pictures where their format allows. */
import React from 'react';

import { ApiError } from '../api/client';
import type { Files, GovernedFile } from '../api/types';
import { useEnv } from '../env';
import { Icon } from '../icons';
import { Button, Failed, Loading, Name, Notice } from '../parts';
import { counted, sized } from '../words';
import { here } from './model';
import type { CardModel } from './model';
import type { Picture, Pictures } from './pictures';

export function FilesView(props: { model: CardModel }): JSX.Element {
  const { model } = props;
  const { trans } = useEnv();
  if (model.files instanceof ApiError) {
    return <Failed error={model.files} again={() => void model.loadFiles()} />;
  }
  const found = here(model.files);
  if (!found) {
    return <Loading />;
  }
  if (!found.total) {
    return (
      <Notice
        title={trans.__('No files')}
        text={trans.__('There is none that you may open under this purpose.')}
      />
    );
  }
  return (
    <>
      <Sum found={found} />
      {!found.thumbnails && (
        <p className="jp-GovCatalog-why">
          {trans.__(
            'No pictures: the Jupyter server lacks what draws them. Its administrator can run: %1',
            "pip install 'jupyter_govdata[thumbnails]'"
          )}
        </p>
      )}
      <ul className="jp-GovCatalog-files" aria-label={trans.__('Files of %1', model.name)}>
        {found.files.map(file => (
          <li key={file.key}>
            <File file={file} pictures={found.thumbnails ? model.pictures : null} />
          </li>
        ))}
      </ul>
      {found.files.length < found.total && (
        <Button
          label={trans.__('Show more (%1)', counted(found.total - found.files.length))}
          onClick={() => void model.moreFiles()}
        />
      )}
    </>
  );
}

function Sum(props: { found: Files }): JSX.Element {
  const { total, bytes, formats } = props.found;
  const { trans } = useEnv();
  const parts = [
    trans._n('%2 file that you may open', '%2 files that you may open', total, counted(total)),
    bytes === null ? '' : sized(bytes),
    ...[...formats].slice(0, 4).map(([format, count]) => (format ? `${counted(count)} ${format}` : ''))
  ];
  return <p className="jp-GovCatalog-why">{parts.filter(Boolean).join(' · ')}</p>;
}

function File(props: { file: GovernedFile; pictures: Pictures | null }): JSX.Element {
  const { file, pictures } = props;
  const size = file.size === null ? '' : sized(file.size);
  return (
    <figure title={[file.path || file.name, size].filter(Boolean).join('\n')}>
      <Thumbnail file={file} pictures={pictures} />
      <figcaption>
        <span className="jp-GovCatalog-filename">
          <Name name={file.name} />
        </span>
        {size && <span className="jp-GovCatalog-type">{size}</span>}
      </figcaption>
    </figure>
  );
}

/** A picture that is asked for when it comes into sight. */
function Thumbnail(props: { file: GovernedFile; pictures: Pictures | null }): JSX.Element {
  const { file, pictures } = props;
  const { trans } = useEnv();
  const place = React.useRef<HTMLDivElement>(null);
  const [picture, setPicture] = React.useState<Picture | null>(null);
  React.useEffect(() => {
    const node = place.current;
    setPicture(null);
    if (!node || !pictures) {
      return;
    }
    let isWanted = true;
    const watch = new IntersectionObserver(entries => {
      if (entries.some(entry => entry.isIntersecting)) {
        watch.disconnect();
        void pictures.get(file.key).then(found => isWanted && setPicture(found));
      }
    });
    watch.observe(node);
    return () => {
      isWanted = false;
      watch.disconnect();
    };
  }, [file.key, pictures]);
  const address = useAddress(picture instanceof Blob ? picture : null);
  const isAwaited = pictures !== null && picture === null;
  return (
    <div className={`jp-GovCatalog-thumbnail ${isAwaited ? 'jp-mod-awaited' : ''}`} ref={place}>
      {address ? (
        <img src={address} alt={trans.__('Picture of %1', file.name)} />
      ) : (
        !isAwaited && (
          <>
            <Icon name={picture === 'failed' ? 'warning' : 'report'} />
            <span>{picture === 'failed' ? trans.__('not read') : file.format || trans.__('file')}</span>
          </>
        )
      )}
    </div>
  );
}

/** An address of what a blob holds, as long as the component lives. */
function useAddress(blob: Blob | null): string | null {
  const [address, setAddress] = React.useState<string | null>(null);
  React.useEffect(() => {
    if (!blob) {
      setAddress(null);
      return;
    }
    const made = URL.createObjectURL(blob);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return address;
}
