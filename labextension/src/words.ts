/** Words that more than one place says. Every text that a person reads goes through the translator. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ApiError } from './api/client';
import type { Access, AccessRequest, Change } from './api/types';
import type { IconName } from './icons';

export interface Said {
  icon: IconName;
  word: string;
  sentence: string;
}

/** How I see an asset: icon, one word, and a sentence for tooltip and card. */
export function accessSaid(trans: TranslationBundle, access: Access, pending = false): Said {
  if (pending && access === 'none') {
    return {
      icon: 'pending',
      word: trans.__('requested'),
      sentence: trans.__('You asked for access; nobody has decided yet.')
    };
  }
  switch (access) {
    case 'all':
      return {
        icon: 'access_all',
        word: trans.__('all'),
        sentence: trans.__('You see all rows and columns.')
      };
    case 'filtered':
      return {
        icon: 'access_filtered',
        word: trans.__('filtered'),
        sentence: trans.__('You see some of the rows.')
      };
    case 'masked':
      return {
        icon: 'access_masked',
        word: trans.__('masked'),
        sentence: trans.__('You see some columns masked; rows may be left out.')
      };
    case 'none':
      return {
        icon: 'access_none',
        word: trans.__('request'),
        sentence: trans.__('You may not read it under this purpose; you can request access.')
      };
  }
}

/** What a mask does, in words; a mask of a later version goes by its name. */
export function maskSaid(trans: TranslationBundle, mask: string): string {
  switch (mask) {
    case 'pseudonym':
      return trans.__('shown as a pseudonym, the same in every asset under this purpose');
    case 'null':
      return trans.__('shown empty');
    case 'year':
      return trans.__('only the year is shown');
    case 'last4':
      return trans.__('only the last four characters are shown');
    default:
      return trans.__('shown masked: %1', mask);
  }
}

export function requestSaid(trans: TranslationBundle, state: AccessRequest['state']): Said {
  switch (state) {
    case 'open':
      return { icon: 'pending', word: trans.__('open'), sentence: trans.__('Nobody has decided yet.') };
    case 'approved':
      return { icon: 'access_all', word: trans.__('approved'), sentence: trans.__('Access is granted.') };
    case 'refused':
      return { icon: 'refused', word: trans.__('refused'), sentence: trans.__('Access was refused.') };
    case 'withdrawn':
      return { icon: 'close', word: trans.__('withdrawn'), sentence: trans.__('It was taken back.') };
    case 'expired':
      return { icon: 'pending', word: trans.__('expired'), sentence: trans.__('Its time is over.') };
  }
}

export function changeSaid(trans: TranslationBundle, change: Change): string {
  switch (change.change) {
    case 'added':
      return trans.__('column %1 added', change.column);
    case 'removed':
      return trans.__('column %1 removed', change.column);
    case 'renamed':
      return trans.__('column %1 renamed to %2', change.from, change.to || change.column);
    case 'retyped':
      return trans.__('column %1 changed from %2 to %3', change.column, change.from, change.to);
  }
}

/** Headline and way out of a failure. */
export function failureSaid(trans: TranslationBundle, error: ApiError): { title: string; text: string } {
  switch (error.failure) {
    case 'offline':
      return {
        title: trans.__('Jupyter does not answer'),
        text: trans.__('The Jupyter server is away. This panel goes on as soon as it is back.')
      };
    case 'unreachable':
      return {
        title: trans.__('The gateway does not answer'),
        text: error.hint || trans.__('Your notebooks are safe. The catalog comes back with the gateway.')
      };
    case 'refused':
      return { title: trans.__('Refused'), text: sentences(error) };
    case 'missing':
      return {
        title: trans.__('Nothing to see'),
        text: trans.__('It does not exist, or you may not see it under this purpose.')
      };
    case 'unauthenticated':
      return { title: trans.__('Not signed in'), text: trans.__('Sign in to Jupyter again.') };
    case 'invalid':
    case 'failed':
      return { title: trans.__('That did not work'), text: sentences(error) };
  }
}

function sentences(error: ApiError): string {
  return error.hint ? `${error.message} — ${error.hint}` : error.message;
}

/** A number as the reader's language writes it. */
export function counted(count: number): string {
  return count.toLocaleString();
}

/** A number of bytes as a reader takes it in. */
export function sized(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit && value < 100 ? 1 : 0;
  return `${value.toLocaleString(undefined, { maximumFractionDigits: digits })} ${units[unit]}`;
}

/** A time of the server for a reader: day and minute in the reader's own zone and language. */
export function moment(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.valueOf())
    ? iso
    : time.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

export function day(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.valueOf()) ? iso : time.toLocaleDateString(undefined, { dateStyle: 'medium' });
}
