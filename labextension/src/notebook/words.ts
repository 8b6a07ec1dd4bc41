/** What the notebook panel says about snapshots, verdicts and work. Pure. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { JudgedCell, PinnedAsset } from '../api/notebook';
import type { Action, IWork } from './reading';

/** How something stands: by colour, and always beside a word and a sign of its own shape. */
export type Mood = 'good' | 'warn' | 'bad' | 'plain';

export interface ISaid {
  readonly text: string;
  readonly mood: Mood;
}

/** What a verdict means to a reader; the server's own word where it is a newer one. */
export function verdictSaid(verdict: string, trans: TranslationBundle): ISaid {
  switch (verdict) {
    case 'identical':
      return { text: trans.__('identical'), mood: 'good' };
    case 'exact':
      return { text: trans.__('exactly reproduced'), mood: 'good' };
    case 'within tolerance':
      return { text: trans.__('reproduced within tolerance'), mood: 'good' };
    case 'intact':
      return { text: trans.__('intact'), mood: 'good' };
    case 'first run':
      return { text: trans.__('first run'), mood: 'plain' };
    case 'different':
      return { text: trans.__('different'), mood: 'warn' };
    case 'not replayable':
      return { text: trans.__('not replayable'), mood: 'bad' };
    case 'forged':
      return { text: trans.__('forged'), mood: 'bad' };
    case 'failed':
      return { text: trans.__('failed'), mood: 'bad' };
    case 'not run':
      return { text: trans.__('not run'), mood: 'plain' };
    case 'not governed':
      return { text: trans.__('not governed'), mood: 'plain' };
    default:
      return { text: verdict, mood: 'plain' };
  }
}

/** What is newer than a pinned snapshot. */
export function newerSaid(asset: PinnedAsset, trans: TranslationBundle): ISaid | null {
  const { newer } = asset;
  if (asset.why === 'expired' || asset.why === 'refused' || newer === null) {
    return null;
  }
  return newer > 0
    ? { text: trans._n('%1 newer snapshot', '%1 newer snapshots', newer), mood: 'warn' }
    : { text: trans.__('newest'), mood: 'good' };
}

/** How long a pinned snapshot lives. */
export function lifeSaid(asset: PinnedAsset, trans: TranslationBundle): ISaid {
  const until = asset.until ? day(asset.until) : '';
  switch (asset.why) {
    case 'newest':
      return { text: trans.__('kept while it is the newest'), mood: 'plain' };
    case 'tagged':
      return { text: trans.__('kept while it is tagged'), mood: 'plain' };
    case 'held':
      return {
        text: until ? trans.__('held until %1', until) : trans.__('held'),
        mood: 'plain'
      };
    case 'retention':
      return {
        text: until ? trans.__('kept until %1', until) : trans.__('kept for now'),
        mood: 'plain'
      };
    case 'open':
    case '':
      return { text: trans.__('kept until somebody expires it'), mood: 'plain' };
    case 'expired':
      return { text: trans.__('expired: cannot be read again'), mood: 'bad' };
    case 'refused':
      return { text: trans.__('you may not read it now'), mood: 'bad' };
    case 'not compared':
      return { text: trans.__('not compared with the lake'), mood: 'plain' };
    default:
      return { text: asset.why, mood: 'plain' };
  }
}

export function actionSaid(action: Action, trans: TranslationBundle): string {
  switch (action) {
    case 'rerun-stamped':
      return trans.__('Rerun on the pinned data');
    case 'rerun-current':
      return trans.__('Rerun on the newest data');
    case 'verify':
      return trans.__('Verify');
    case 'export':
      return trans.__('Export');
  }
}

/** How work ended, in one sentence. */
export function endSaid(work: IWork, trans: TranslationBundle): ISaid {
  const { job, error } = work;
  if (error) {
    return { text: error.message, mood: 'bad' };
  }
  if (!job || job.state === 'running') {
    return { text: work.isStopping ? trans.__('stopping…') : trans.__('running…'), mood: 'plain' };
  }
  if (job.state === 'stopped') {
    return { text: trans.__('Stopped; what was not finished was thrown away.'), mood: 'plain' };
  }
  const result = job.result;
  if (!result?.verdict) {
    return job.state === 'done' && !job.exit_status
      ? { text: trans.__('Done.'), mood: 'good' }
      : { text: reasonOf(job.log_tail) || trans.__('It failed, and did not say why.'), mood: 'bad' };
  }
  return verdictSentence(result.verdict, result.cells, result.error, trans);
}

function verdictSentence(
  verdict: string,
  cells: readonly JudgedCell[],
  error: string,
  trans: TranslationBundle
): ISaid {
  const count = cells.filter(cell => cell.verdict !== 'not governed').length;
  const of = (word: string) => cells.filter(cell => cell.verdict === word).length;
  const { mood } = verdictSaid(verdict, trans);
  switch (verdict) {
    case 'identical':
    case 'exact':
      return {
        text: trans._n(
          'Identical: the result came out as it was stamped.',
          'Identical: all %1 results came out as they were stamped.',
          count
        ),
        mood
      };
    case 'different':
      return {
        text: trans.__('Different: %1 of %2 results changed.', String(of(verdict)), String(count)),
        mood
      };
    case 'intact':
      return {
        text: trans.__('Intact: every receipt is signed by the gateway and fits its code.'),
        mood
      };
    case 'first run':
      return { text: trans.__('It ran; there was no earlier result to compare with.'), mood };
    case 'forged':
      return { text: trans.__('Forged: a stamp or receipt was changed.'), mood };
    case 'not replayable':
      return {
        text: error || trans.__('Not replayable: %1 of %2 cells.', String(of(verdict)), String(count)),
        mood
      };
    default:
      return { text: error || verdictSaid(verdict, trans).text, mood };
  }
}

/** What differs, in words: the causes that the server found. */
export function causesSaid(cell: JudgedCell, trans: TranslationBundle): string {
  const causes = cell.causes.map(cause => causeSaid(cause, trans));
  return [...(cell.why ? [cell.why] : causes), ...cell.notes].join('; ');
}

function causeSaid(cause: string, trans: TranslationBundle): string {
  switch (cause) {
    case 'data':
      return trans.__('another snapshot was read');
    case 'code':
      return trans.__('the query was edited');
    case 'parameters':
      return trans.__('other parameters');
    case 'permission':
      return trans.__('policy or consent changed');
    case 'environment':
      return trans.__('other versions of packages');
    default:
      return cause;
  }
}

/** How far work is, of 1, if it says so. */
export function progressOf(log: string): number | null {
  const found = [...log.matchAll(/(\d+) of (\d+) cells/g)].pop();
  const [done, all] = found ? [Number(found[1]), Number(found[2])] : [0, 0];
  return all > 0 ? Math.min(done / all, 1) : null;
}

/** The day of an ISO time; as it stands where it is none. */
export function day(time: string): string {
  return /^\d{4}-\d{2}-\d{2}/.exec(time)?.[0] ?? time;
}

/** An ISO time in UTC, to the minute. */
export function minute(time: string): string {
  const found = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})/.exec(time);
  return found ? `${found[1]} ${found[2]} UTC` : time;
}

/** The last thing that a command line said, without its hint. */
function reasonOf(log: string): string {
  const lines = log.split('\n').map(line => line.trim());
  return lines.filter(line => line && !line.startsWith('hint:')).pop() ?? '';
}
