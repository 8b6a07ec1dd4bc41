/** The plug-ins of the extension. */
import { catalogPlugin } from './catalog/plugin';
import { clientPlugin, statusPlugin } from './status/plugin';

export default [clientPlugin, statusPlugin, catalogPlugin];
