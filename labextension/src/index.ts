/** The plug-ins of the extension. */
import { catalogPlugin } from './catalog/plugin';
import { notebookPlugins } from './notebook/plugins';
import { clientPlugin, statusPlugin } from './status/plugin';

export default [clientPlugin, statusPlugin, catalogPlugin, ...notebookPlugins];
