/** What every part of the notebook panel is given. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import type { StatusModel } from '../status/model';
import type { ReadingModel } from './reading';

export interface IParts {
  readonly model: ReadingModel;
  readonly status: StatusModel;
  readonly commands: CommandRegistry;
  readonly trans: TranslationBundle;
}
