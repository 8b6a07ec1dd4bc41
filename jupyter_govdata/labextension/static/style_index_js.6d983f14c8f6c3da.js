"use strict";(self.rspackChunkjupyter_govdata=self.rspackChunkjupyter_govdata||[]).push([["style_index_js"],{"./node_modules/css-loader/dist/cjs.js!./style/catalog.css"(o,a,t){var e=t("./node_modules/css-loader/dist/runtime/noSourceMaps.js"),r=t.n(e),p=t("./node_modules/css-loader/dist/runtime/api.js"),i=(t.n(p))()(r());i.push([o.id,`/* Panel, tree, card and requests. Colours and sizes are the theme's; our own numbers are gaps. */

.jp-GovCatalog-panel,
.jp-GovCatalog-wide,
.jp-GovCatalog-wish {
  color: var(--jp-ui-font-color1);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
  line-height: 1.4;
}

/* Older JupyterLabs do not say it: their checkboxes and calendars stay light in dark themes. */
[data-jp-theme-light='false'] .jp-GovCatalog-panel,
[data-jp-theme-light='false'] .jp-GovCatalog-wide,
[data-jp-theme-light='false'] .jp-GovCatalog-wish {
  color-scheme: dark;
}

.jp-GovCatalog-panel {
  background: var(--jp-layout-color1);
  display: flex;
  flex-direction: column;
  min-width: 220px;
}

.jp-GovCatalog-panel p,
.jp-GovCatalog-wide p,
.jp-GovCatalog-wish p {
  margin: 0;
}

.jp-GovCatalog-panel :focus-visible,
.jp-GovCatalog-wide :focus-visible,
.jp-GovCatalog-wish :focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -2px;
}

/* Icons */

.jp-GovCatalog-icon {
  fill: currentcolor;
  flex: 0 0 auto;
  height: 16px;
  width: 16px;
}

.jp-GovCatalog-icon-namespace,
.jp-GovCatalog-icon-chevron,
.jp-GovCatalog-icon-table,
.jp-GovCatalog-icon-files,
.jp-GovCatalog-icon-embeddings,
.jp-GovCatalog-icon-model,
.jp-GovCatalog-icon-report {
  color: var(--jp-ui-font-color2);
}

.jp-GovCatalog-icon-access_all {
  color: var(--jp-success-color0);
}

.jp-GovCatalog-icon-access_filtered,
.jp-GovCatalog-icon-access_masked {
  color: var(--jp-brand-color1);
}

.jp-GovCatalog-icon-warning,
.jp-GovCatalog-icon-refused {
  color: var(--jp-error-color1);
}

.jp-GovCatalog-button .jp-GovCatalog-icon,
.jp-GovCatalog-chip .jp-GovCatalog-icon {
  color: inherit;
}

/* Buttons and fields */

.jp-GovCatalog-button {
  align-items: center;
  background: var(--jp-layout-color1);
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  box-sizing: border-box;
  color: var(--jp-ui-font-color1);
  cursor: pointer;
  display: inline-flex;
  font: inherit;
  gap: 4px;
  height: 24px;
  padding: 0 8px;
  white-space: nowrap;
}

.jp-GovCatalog-button:hover:not(:disabled) {
  background: var(--jp-layout-color2);
}

.jp-GovCatalog-button:disabled {
  cursor: default;
  opacity: 0.7;
}

.jp-GovCatalog-button.jp-mod-primary {
  background: var(--jp-accept-color-normal, var(--jp-brand-color1));
  border-color: transparent;
  color: white; /* as accept buttons of JupyterLab in every theme */
}

.jp-GovCatalog-button.jp-mod-primary:hover:not(:disabled) {
  background: var(--jp-accept-color-hover, var(--jp-brand-color0));
}

.jp-GovCatalog-button.jp-mod-bare,
.jp-GovCatalog-button.jp-mod-plain {
  background: none;
  border-color: transparent;
  flex: 0 0 auto;
  padding: 0 4px;
}

.jp-GovCatalog-button[aria-pressed='true'] {
  background: var(--jp-layout-color3);
}

.jp-GovCatalog-link {
  background: none;
  border: 0;
  color: var(--jp-content-link-color);
  cursor: pointer;
  font: inherit;
  overflow-wrap: anywhere;
  padding: 0;
  text-align: left;
}

.jp-GovCatalog-link:hover {
  text-decoration: underline;
}

.jp-GovCatalog-input {
  background: var(--jp-input-background, var(--jp-layout-color1));
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  box-sizing: border-box;
  color: var(--jp-ui-font-color0);
  font: inherit;
  min-height: 26px;
  min-width: 0;
  padding: 2px 6px;
  width: 100%;
}

.jp-GovCatalog-input::placeholder {
  color: var(--jp-ui-font-color2);
  opacity: 1;
}

.jp-GovCatalog-check {
  align-items: center;
  cursor: pointer;
  display: flex;
  gap: 6px;
  min-height: 22px;
  min-width: 0;
}

.jp-GovCatalog-check input {
  accent-color: var(--jp-brand-color1);
  flex: 0 0 auto;
  margin: 0;
}

.jp-GovCatalog-actions {
  align-items: center;
  display: flex;
  flex-wrap: wrap;
  gap: 6px;
}

.jp-GovCatalog-form {
  display: flex;
  flex-direction: column;
  gap: 8px;
}

.jp-GovCatalog-field {
  display: flex;
  flex-direction: column;
  gap: 2px;
}

.jp-GovCatalog-field > span {
  color: var(--jp-ui-font-color1);
  font-weight: 600;
}

.jp-GovCatalog-field textarea {
  resize: vertical;
}

.jp-GovCatalog-wish .jp-GovCatalog-form {
  gap: 12px;
  min-width: min(380px, 70vw);
}

.jp-GovCatalog-error {
  align-items: flex-start;
  color: var(--jp-ui-font-color1);
  display: flex;
  gap: 4px;
}

.jp-GovCatalog-hidden {
  clip-path: inset(50%);
  height: 1px;
  overflow: hidden;
  position: absolute;
  white-space: nowrap;
  width: 1px;
}

/* Head */

.jp-GovCatalog-header {
  border-bottom: 1px solid var(--jp-border-color2);
  flex: 0 0 auto;
}

.jp-GovCatalog-who,
.jp-GovCatalog-purpose {
  align-items: center;
  display: flex;
  gap: 8px;
  padding: 6px 8px 0 12px;
}

.jp-GovCatalog-who .jp-GovCatalog-name {
  font-weight: 600;
}

.jp-GovCatalog-purpose {
  padding-right: 12px;
}

.jp-GovCatalog-name {
  flex: 1 1 auto;
  min-width: 0;
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.jp-GovCatalog-wall {
  align-items: center;
  border: 1px solid var(--jp-border-color1);
  border-radius: 10px;
  display: inline-flex;
  flex: 0 0 auto;
  font-size: var(--jp-ui-font-size0);
  gap: 3px;
  padding: 0 6px;
}

.jp-GovCatalog-wall .jp-GovCatalog-icon {
  height: 12px;
  width: 12px;
}

.jp-GovCatalog-wall .jp-GovCatalog-icon-warning {
  color: var(--jp-warn-color1);
}

.jp-GovCatalog-wall.jp-mod-enforced .jp-GovCatalog-icon {
  color: var(--jp-success-color0);
}

.jp-GovCatalog-tabs {
  display: flex;
  gap: 4px;
  padding: 6px 8px 0;
}

.jp-GovCatalog-tabs button {
  background: none;
  border: 0;
  border-bottom: 2px solid transparent;
  color: var(--jp-ui-font-color1);
  cursor: pointer;
  flex: 1 1 0;
  font: inherit;
  padding: 4px;
}

.jp-GovCatalog-tabs button[aria-selected='true'] {
  border-bottom-color: var(--jp-brand-color1);
  font-weight: 600;
}

.jp-GovCatalog-badge {
  background: var(--jp-brand-color1);
  border-radius: 8px;
  color: var(--jp-ui-inverse-font-color0, var(--jp-layout-color1));
  font-size: var(--jp-ui-font-size0);
  margin-left: 6px;
  padding: 0 6px;
}

.jp-GovCatalog-away {
  align-items: center;
  background: var(--jp-layout-color2);
  border-left: 3px solid var(--jp-warn-color1);
  display: flex;
  flex-wrap: wrap;
  gap: 6px;
  padding: 6px 12px 6px 9px;
}

.jp-GovCatalog-away > span {
  flex: 1 1 130px;
}

/* Filter */

.jp-GovCatalog-split {
  flex: 1 1 auto;
  min-height: 0;
}

.jp-GovCatalog-split > .lm-SplitPanel-handle {
  background: var(--jp-border-color1);
}

.jp-GovCatalog-upper {
  min-height: 120px;
}

.jp-GovCatalog-lower {
  min-height: 120px;
}

.jp-GovCatalog-tabpanel,
.jp-GovCatalog-browser {
  display: flex;
  flex-direction: column;
  height: 100%;
  min-height: 0;
}

.jp-GovCatalog-search {
  display: flex;
  flex: 0 100 auto; /* facets give way to the tree, not the other way round */
  flex-direction: column;
  gap: 4px;
  min-height: 64px;
  padding: 8px 12px 4px;
}

.jp-GovCatalog-searchline {
  flex: 0 0 auto;
}

.jp-GovCatalog-filters {
  align-items: center;
  display: flex;
  flex: 0 0 auto;
  flex-wrap: wrap;
  gap: 0 6px;
}

.jp-GovCatalog-filters > .jp-GovCatalog-button {
  gap: 0;
  padding: 0 2px;
}

.jp-GovCatalog-total {
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
  margin-left: auto;
}

.jp-GovCatalog-facets {
  border-top: 1px solid var(--jp-border-color2);
  display: flex;
  flex: 0 1 auto;
  flex-direction: column;
  gap: 8px;
  max-height: 38vh;
  min-height: 0;
  overflow: auto;
  padding: 6px 2px;
}

.jp-GovCatalog-facets > .jp-GovCatalog-button,
.jp-GovCatalog-request > .jp-GovCatalog-button {
  align-self: flex-start;
}

.jp-GovCatalog-facets fieldset {
  border: 0;
  margin: 0;
  min-width: 0;
  padding: 0;
}

.jp-GovCatalog-facets legend {
  font-weight: 600;
  padding: 0;
}

.jp-GovCatalog-count,
.jp-GovCatalog-type,
.jp-GovCatalog-why,
.jp-GovCatalog-note {
  color: var(--jp-ui-font-color2);
}

.jp-GovCatalog-chips {
  display: flex;
  flex-wrap: wrap;
  gap: 4px;
}

.jp-GovCatalog-chip,
.jp-GovCatalog-tag {
  align-items: center;
  background: var(--jp-layout-color2);
  border: 1px solid var(--jp-border-color2);
  border-radius: 10px;
  color: var(--jp-ui-font-color1);
  display: inline-flex;
  font: inherit;
  font-size: var(--jp-ui-font-size0);
  gap: 2px;
  max-width: 100%;
  overflow-wrap: anywhere;
  padding: 1px 8px;
}

.jp-GovCatalog-chip {
  cursor: pointer;
}

.jp-GovCatalog-chip .jp-GovCatalog-icon {
  height: 12px;
  width: 12px;
}

/* Tree */

.jp-GovCatalog-tree {
  contain: strict;
  flex: 1 1 130px;
  min-height: 60px;
  overflow: hidden auto;
}

/* What is there soon comes without a flicker, and without two more paintings of every row. */
.jp-GovCatalog-tree[aria-busy='true'] > div {
  opacity: 0.75;
  transition: opacity 0s linear 0.2s;
}

.jp-GovCatalog-row {
  align-items: center;
  box-sizing: border-box;
  contain: strict;
  cursor: pointer;
  display: flex;
  gap: 4px;
  height: 26px;
  left: 0;
  padding-right: 12px;
  position: absolute;
  right: 0;
}

.jp-GovCatalog-row:hover {
  background: var(--jp-layout-color2);
}

.jp-GovCatalog-row.jp-mod-namespace {
  font-weight: 600;
}

.jp-GovCatalog-row.jp-mod-namespace .jp-GovCatalog-count {
  font-weight: 400;
}

.jp-GovCatalog-row.jp-mod-selected {
  background: var(--jp-layout-color2);
  box-shadow: inset 3px 0 0 var(--jp-brand-color1);
}

.jp-GovCatalog-row.jp-mod-selected .jp-GovCatalog-access,
.jp-GovCatalog-row.jp-mod-selected .jp-GovCatalog-matched,
.jp-GovCatalog-row:hover .jp-GovCatalog-access,
.jp-GovCatalog-row:hover .jp-GovCatalog-count,
.jp-GovCatalog-row:hover .jp-GovCatalog-type {
  color: var(--jp-ui-font-color1);
}

.jp-GovCatalog-tree:focus-visible {
  outline: none;
}

.jp-GovCatalog-tree:focus-visible .jp-GovCatalog-row.jp-mod-active {
  box-shadow: inset 0 0 0 2px var(--jp-brand-color1);
}

.jp-GovCatalog-expander {
  display: inline-flex;
  flex: 0 0 auto;
}

.jp-GovCatalog-expander.jp-mod-open .jp-GovCatalog-icon,
.jp-GovCatalog-icon-chevron.jp-mod-open {
  transform: rotate(90deg);
}

.jp-GovCatalog-row.jp-mod-column,
.jp-GovCatalog-row.jp-mod-note {
  font-size: var(--jp-ui-font-size1);
}

.jp-GovCatalog-row.jp-mod-column .jp-GovCatalog-name {
  padding-left: 20px;
}

.jp-GovCatalog-row.jp-mod-note {
  padding-left: 52px !important;
}

.jp-GovCatalog-row .jp-GovCatalog-type {
  flex: 0 1 auto;
  max-width: 40%;
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.jp-GovCatalog-matched {
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
  margin-left: 6px;
}

.jp-GovCatalog-access {
  align-items: center;
  color: var(--jp-ui-font-color2);
  display: inline-flex;
  flex: 0 0 auto;
  font-size: var(--jp-ui-font-size0);
  gap: 3px;
}

.jp-GovCatalog-access .jp-GovCatalog-icon {
  height: 14px;
  width: 14px;
}

/* Marks of direction in a producer's text do not reach beyond it. */

.jp-GovCatalog-matched,
.jp-GovCatalog-type,
.jp-GovCatalog-tag,
.jp-GovCatalog-chip > span,
.jp-GovCatalog-masked > span,
.jp-GovCatalog-card code {
  unicode-bidi: isolate;
}

.jp-GovCatalog-blank {
  background: var(--jp-layout-color2);
  border-radius: var(--jp-border-radius);
  height: 10px;
  margin-left: 22px;
  width: 45%;
}

/* States */

.jp-GovCatalog-notice {
  align-items: flex-start;
  display: flex;
  gap: 8px;
  padding: 12px;
}

.jp-GovCatalog-notice > div {
  display: flex;
  flex-direction: column;
  gap: 6px;
  min-width: 0;
  overflow-wrap: anywhere;
}

.jp-GovCatalog-loading {
  color: var(--jp-ui-font-color2);
  display: flex;
  flex-direction: column;
  gap: 6px;
  padding: 12px;
}

.jp-GovCatalog-bar {
  animation: jp-GovCatalog-slide 1.2s ease-in-out infinite alternate;
  background: var(--jp-brand-color1);
  border-radius: 1px;
  height: 2px;
  width: 30%;
}

@keyframes jp-GovCatalog-slide {
  to {
    transform: translateX(230%);
  }
}

@media (prefers-reduced-motion: reduce) {
  .jp-GovCatalog-bar {
    animation: none;
  }
}

/* Card */

.jp-GovCatalog-lower,
.jp-GovCatalog-wide {
  background: var(--jp-layout-color1);
  container-type: inline-size;
  overflow: hidden auto;
}

.jp-GovCatalog-card {
  display: flex;
  flex-direction: column;
}

.jp-GovCatalog-cardhead {
  align-items: center;
  background: var(--jp-layout-color1);
  border-bottom: 1px solid var(--jp-border-color2);
  display: flex;
  gap: 6px;
  padding: 6px 8px 6px 12px;
  position: sticky;
  top: 0;
  z-index: 1;
}

.jp-GovCatalog-cardhead h2 {
  flex: 1 1 auto;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
  margin: 0;
  min-width: 0;
  overflow-wrap: anywhere;
}

.jp-GovCatalog-cardbody {
  display: flex;
  flex-direction: column;
  gap: 10px;
  padding: 10px 12px;
}

.jp-GovCatalog-text,
.jp-GovCatalog-cardbody p,
.jp-GovCatalog-cardbody dd {
  overflow-wrap: anywhere;
}

.jp-GovCatalog-seen {
  background: var(--jp-layout-color1);
  border: 1px solid var(--jp-border-color2);
  border-left: 3px solid var(--jp-brand-color1);
  border-radius: var(--jp-border-radius);
  display: flex;
  flex-direction: column;
  gap: 4px;
  padding: 8px;
}

.jp-GovCatalog-seen.jp-mod-all {
  border-left-color: var(--jp-success-color1);
}

.jp-GovCatalog-seen.jp-mod-none {
  border-left-color: var(--jp-ui-font-color2);
}

.jp-GovCatalog-sentence {
  color: var(--jp-ui-font-color1);
}

.jp-GovCatalog-seen > p:first-child {
  align-items: flex-start;
  display: flex;
  gap: 6px;
}

.jp-GovCatalog-seen code,
.jp-GovCatalog-card code {
  background: none;
  color: var(--jp-ui-font-color1);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
  overflow-wrap: anywhere;
  padding: 0;
}

.jp-GovCatalog-section {
  border-top: 1px solid var(--jp-border-color2);
  min-width: 0;
  padding-top: 6px;
}

.jp-GovCatalog-section > summary {
  align-items: center;
  cursor: pointer;
  display: flex;
  gap: 4px;
  list-style: none;
  padding: 2px 0;
}

.jp-GovCatalog-section > summary::-webkit-details-marker {
  display: none;
}

.jp-GovCatalog-section[open] > summary > .jp-GovCatalog-icon {
  transform: rotate(90deg);
}

.jp-GovCatalog-section h3,
.jp-GovCatalog-section h4,
.jp-GovCatalog-requests h3 {
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
  margin: 0;
}

.jp-GovCatalog-sectionbody {
  display: flex;
  flex-direction: column;
  gap: 8px;
  min-width: 0;
  padding: 6px 0 2px;
}

.jp-GovCatalog-sectionbody .jp-GovCatalog-notice,
.jp-GovCatalog-sectionbody .jp-GovCatalog-loading {
  padding: 4px 0;
}

.jp-GovCatalog-facts {
  display: grid;
  gap: 2px;
  grid-template-columns: minmax(0, 1fr);
  margin: 0;
}

.jp-GovCatalog-facts dt {
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
}

.jp-GovCatalog-facts dd {
  margin: 0 0 6px;
}

.jp-GovCatalog-facts ul,
.jp-GovCatalog-comparison ul {
  margin: 0;
  padding-left: 16px;
}

.jp-GovCatalog-complete {
  display: flex;
  flex-direction: column;
  gap: 2px;
}

.jp-GovCatalog-completehead {
  display: flex;
  justify-content: space-between;
}

.jp-GovCatalog-complete progress {
  accent-color: var(--jp-brand-color1);
  height: 8px;
  width: 100%;
}

.jp-GovCatalog-complete p {
  color: var(--jp-ui-font-color2);
}

.jp-GovCatalog-columns,
.jp-GovCatalog-timeline,
.jp-GovCatalog-neighbours,
.jp-GovCatalog-requests ul {
  list-style: none;
  margin: 0;
  padding: 0;
}

.jp-GovCatalog-columns li {
  border-bottom: 1px solid var(--jp-border-color3, var(--jp-border-color2));
  display: flex;
  flex-direction: column;
  gap: 2px;
  padding: 5px 0;
}

.jp-GovCatalog-columns li:last-child {
  border-bottom: 0;
}

.jp-GovCatalog-columnhead {
  display: flex;
  flex-wrap: wrap;
  gap: 0 8px;
  justify-content: space-between;
}

.jp-GovCatalog-columnhead code {
  font-weight: 600;
}

.jp-GovCatalog-masked {
  align-items: flex-start;
  display: flex;
  gap: 4px;
}

.jp-GovCatalog-files {
  display: grid;
  gap: 8px;
  grid-template-columns: repeat(auto-fill, minmax(88px, 1fr));
  list-style: none;
  margin: 6px 0;
  padding: 0;
}

.jp-GovCatalog-wide .jp-GovCatalog-files {
  gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(128px, 1fr));
}

.jp-GovCatalog-files figure {
  margin: 0;
}

.jp-GovCatalog-thumbnail {
  align-items: center;
  background: var(--jp-layout-color2);
  border: 1px solid var(--jp-border-color2);
  border-radius: var(--jp-border-radius);
  color: var(--jp-ui-font-color1);
  display: flex;
  flex-direction: column;
  font-size: var(--jp-ui-font-size0);
  gap: 2px;
  height: 80px;
  justify-content: center;
  overflow: hidden;
}

.jp-GovCatalog-wide .jp-GovCatalog-thumbnail {
  height: 112px;
}

.jp-GovCatalog-thumbnail img {
  height: 100%;
  object-fit: contain;
  width: 100%;
}

.jp-GovCatalog-files figcaption {
  display: flex;
  flex-direction: column;
  font-size: var(--jp-ui-font-size0);
  margin-top: 2px;
}

.jp-GovCatalog-filename {
  -webkit-box-orient: vertical;
  display: -webkit-box;
  -webkit-line-clamp: 2;
  line-clamp: 2;
  overflow: hidden;
  overflow-wrap: anywhere;
}

.jp-GovCatalog-rows {
  border: 1px solid var(--jp-border-color2);
  max-height: 320px;
  overflow: auto;
}

.jp-GovCatalog-rows table {
  border-collapse: collapse;
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
}

.jp-GovCatalog-rows th,
.jp-GovCatalog-rows td {
  border-bottom: 1px solid var(--jp-border-color3, var(--jp-border-color2));
  max-width: 220px;
  overflow: hidden;
  padding: 3px 8px;
  text-align: left;
  text-overflow: ellipsis;
  white-space: pre;
}

.jp-GovCatalog-rows th {
  background: var(--jp-layout-color2);
  position: sticky;
  top: 0;
}

.jp-GovCatalog-rows th .jp-GovCatalog-icon {
  height: 12px;
  margin-right: 4px;
  vertical-align: -1px;
  width: 12px;
}

.jp-GovCatalog-rows td.jp-mod-null {
  color: var(--jp-ui-font-color2);
  font-style: italic;
}

.jp-GovCatalog-timeline {
  border-left: 2px solid var(--jp-border-color1);
  display: flex;
  flex-direction: column;
  gap: 12px;
  margin-left: 5px;
}

.jp-GovCatalog-timeline li {
  display: flex;
  flex-direction: column;
  gap: 3px;
  padding-left: 14px;
  position: relative;
}

.jp-GovCatalog-timeline li::before {
  background: var(--jp-brand-color1);
  border: 2px solid var(--jp-layout-color1);
  border-radius: 50%;
  content: '';
  height: 8px;
  left: -7px;
  position: absolute;
  top: 4px;
  width: 8px;
}

.jp-GovCatalog-versionhead {
  align-items: center;
  display: flex;
  flex-wrap: wrap;
  gap: 2px 6px;
}

.jp-GovCatalog-comparison {
  background: var(--jp-layout-color1);
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  display: flex;
  flex-direction: column;
  gap: 4px;
  padding: 8px;
}

.jp-GovCatalog-comparison .jp-GovCatalog-versionhead {
  align-items: flex-start;
  flex-wrap: nowrap;
  justify-content: space-between;
}

.jp-GovCatalog-comparison ul {
  list-style: none;
  padding: 0;
}

.jp-GovCatalog-comparison li {
  display: flex;
  gap: 4px;
}

.jp-GovCatalog-drawing {
  overflow: auto;
}

.jp-GovCatalog-drawing img {
  max-width: 100%;
}

.jp-GovCatalog-neighbours li {
  padding: 2px 0;
}

/* Wide: the card beside itself */

@container (min-width: 700px) {
  .jp-GovCatalog-cardhead h2 {
    font-size: var(--jp-ui-font-size2);
  }

  .jp-GovCatalog-cardbody {
    box-sizing: border-box;
    margin: 0 auto;
    max-width: 1100px;
    padding: 16px 24px;
    width: 100%;
  }

  .jp-GovCatalog-facts {
    gap: 6px 16px;
    grid-template-columns: 150px minmax(0, 1fr);
  }

  .jp-GovCatalog-facts dt {
    font-size: var(--jp-ui-font-size1);
  }

  .jp-GovCatalog-facts dd {
    margin: 0;
  }

  .jp-GovCatalog-columns li {
    display: grid;
    gap: 2px 16px;
    grid-template-columns: minmax(200px, 1fr) 2fr;
  }

  .jp-GovCatalog-columns li > :not(.jp-GovCatalog-columnhead) {
    grid-column: 2;
  }

  .jp-GovCatalog-columnhead {
    align-content: flex-start;
    grid-row: span 3;
  }
}

/* Requests */

.jp-GovCatalog-requests {
  display: flex;
  flex-direction: column;
  gap: 14px;
  overflow: hidden auto;
  padding: 10px 12px;
}

.jp-GovCatalog-requests .jp-GovCatalog-notice {
  padding: 6px 0;
}

.jp-GovCatalog-request {
  border: 1px solid var(--jp-border-color2);
  border-radius: var(--jp-border-radius);
  display: flex;
  flex-direction: column;
  gap: 4px;
  margin-top: 6px;
  overflow-wrap: anywhere;
  padding: 8px;
}

.jp-GovCatalog-request .jp-GovCatalog-versionhead {
  justify-content: space-between;
}

.jp-GovCatalog-request blockquote {
  border-left: 2px solid var(--jp-border-color1);
  margin: 2px 0;
  padding-left: 8px;
  white-space: pre-wrap;
}
`,""]),t.d(a,{},{A:i})},"./node_modules/css-loader/dist/cjs.js!./style/notebook.css"(o,a,t){var e=t("./node_modules/css-loader/dist/runtime/noSourceMaps.js"),r=t.n(e),p=t("./node_modules/css-loader/dist/runtime/api.js"),i=(t.n(p))()(r());i.push([o.id,`/* The notebook parts: stamps, panel, status item, dialogs. Colours are the theme's alone. */

.jp-govdata-nb-icon {
  display: inline-flex;
  flex: none;
  align-items: center;
}

.jp-govdata-nb-code,
.jp-govdata-nb-facts dd.jp-mod-code {
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
  overflow-wrap: anywhere;
}

.jp-govdata-nb-link {
  padding: 0;
  border: 0;
  background: none;
  color: var(--jp-content-link-color);
  font: inherit;
  text-align: start;
  overflow-wrap: anywhere;
  cursor: pointer;
}

.jp-govdata-nb-link:hover {
  text-decoration: underline;
}

/* -- stamps ------------------------------------------------------------------------------- */

.jp-govdata-stamp {
  padding: 2px 0;
  color: var(--jp-ui-font-color1);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
  line-height: 1.5;
}

.jp-govdata-stamp-line {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0 8px;
  padding: 1px 8px 1px 6px;
  border: 1px solid var(--jp-border-color2);
  border-radius: var(--jp-border-radius);
  width: fit-content;
  max-width: 100%;
  box-sizing: border-box;
  background: var(--jp-layout-color1);
  list-style: none;
}

summary.jp-govdata-stamp-line {
  cursor: pointer;
  padding-right: 24px;
  position: relative;
}

.jp-govdata-stamp-line::-webkit-details-marker {
  display: none;
}

summary.jp-govdata-stamp-line::after {
  content: '';
  width: 5px;
  height: 5px;
  position: absolute;
  top: 6px;
  right: 10px;
  border: solid var(--jp-ui-font-color2);
  border-width: 0 1.5px 1.5px 0;
  transform: rotate(45deg);
}

.jp-govdata-stamp-details[open] > summary::after {
  top: 9px;
  transform: rotate(225deg);
}

summary.jp-govdata-stamp-line:hover {
  background: var(--jp-layout-color2);
}

.jp-govdata-stamp-assets {
  font-weight: 600;
  overflow-wrap: anywhere;
}

.jp-govdata-stamp-fact {
  color: var(--jp-ui-font-color2);
}

.jp-govdata-stamp-wall,
.jp-govdata-stamp-ending {
  padding: 0 6px;
  border: 1px solid var(--jp-border-color1);
  border-radius: 8px;
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
}

.jp-govdata-stamp-wall.jp-mod-enforced {
  color: var(--jp-ui-font-color1);
}

.jp-govdata-stamp-wall.jp-mod-advisory {
  border-style: dashed;
}

.jp-govdata-stamp-ending {
  border-color: var(--jp-error-color1);
  color: var(--jp-ui-font-color1);
}

.jp-govdata-receipts {
  margin: 6px 0 0;
  padding: 0;
  list-style: none;
}

.jp-govdata-receipt {
  padding: 4px 0 4px 10px;
  border-inline-start: 2px solid var(--jp-brand-color1);
}

.jp-govdata-receipt + .jp-govdata-receipt {
  margin-top: 8px;
}

.jp-govdata-receipt-asset {
  font-weight: 600;
}

.jp-govdata-nb-facts {
  display: grid;
  grid-template-columns: 8.5em 1fr;
  gap: 1px 12px;
  margin: 4px 0;
}

.jp-govdata-stamp-details > .jp-govdata-nb-facts {
  padding: 4px 0 4px 12px;
}

.jp-govdata-nb-facts dt {
  color: var(--jp-ui-font-color2);
  font-weight: normal;
}

.jp-govdata-nb-facts dd {
  margin: 0;
  overflow-wrap: anywhere;
}

/* -- panel -------------------------------------------------------------------------------- */

.jp-govdata-notebook {
  min-width: 200px;
  padding: 0 0 12px;
  overflow: hidden auto;
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size1);
  line-height: 1.45;
}

.jp-govdata-nb-header,
.jp-govdata-nb-row {
  display: flex;
  align-items: baseline;
  justify-content: space-between;
  gap: 2px 8px;
}

.jp-govdata-nb-row {
  flex-wrap: wrap;
}

.jp-govdata-nb-header {
  align-items: center;
  padding: 6px 6px 6px 12px;
  border-bottom: 1px solid var(--jp-border-color2);
}

.jp-govdata-nb-header h2 {
  margin: 0;
  overflow: hidden;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.jp-govdata-nb-section {
  padding: 12px 12px 0;
}

.jp-govdata-nb-section + .jp-govdata-nb-section {
  padding-top: 16px;
}

.jp-govdata-nb-section h3 {
  margin: 0 0 4px;
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
  font-weight: 600;
  letter-spacing: 0.04em;
  text-transform: uppercase;
}

.jp-govdata-nb-list {
  margin: 0;
  padding: 0;
  list-style: none;
}

.jp-govdata-nb-asset {
  padding: 6px 0;
}

.jp-govdata-nb-asset + .jp-govdata-nb-asset {
  border-top: 1px solid var(--jp-border-color3);
}

.jp-govdata-nb-asset-name {
  font-weight: 600;
  overflow-wrap: anywhere;
}

.jp-govdata-nb-fine,
.jp-govdata-nb-why {
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
  overflow-wrap: anywhere;
}

.jp-govdata-nb-fine .jp-govdata-nb-code,
.jp-govdata-nb-fine .jp-govdata-nb-said {
  font-size: inherit;
}

.jp-govdata-nb-why {
  display: block;
  margin-top: 2px;
  color: var(--jp-ui-font-color1);
}

.jp-govdata-nb-said {
  font-size: var(--jp-ui-font-size0);
}

.jp-govdata-nb-said.jp-mod-good > span {
  color: var(--jp-success-color1);
}

.jp-govdata-nb-said.jp-mod-warn > span {
  color: var(--jp-warn-color1);
}

.jp-govdata-nb-said.jp-mod-bad > span {
  color: var(--jp-error-color1);
}

.jp-govdata-nb-row > .jp-govdata-nb-said.jp-mod-warn,
.jp-govdata-nb-row > .jp-govdata-nb-said.jp-mod-bad {
  font-weight: 600;
}

.jp-govdata-nb-cell-link {
  min-width: 22px;
  min-height: 20px;
  margin: 2px 4px 0 0;
  padding: 0 5px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: none;
  color: var(--jp-content-link-color);
  font: inherit;
  cursor: pointer;
}

.jp-govdata-nb-cell {
  display: flex;
  flex-direction: column;
  gap: 1px;
  width: calc(100% + 16px);
  margin: 0 -8px;
  padding: 5px 8px;
  border: 0;
  border-radius: var(--jp-border-radius);
  background: none;
  color: inherit;
  font: inherit;
  text-align: start;
  cursor: pointer;
}

.jp-govdata-nb-cell:hover,
.jp-govdata-nb-cell-link:hover,
.jp-govdata-nb-icon-button:hover {
  background: var(--jp-layout-color2);
}

.jp-govdata-nb-cell-place {
  font-weight: 600;
}

.jp-govdata-notebook code.jp-govdata-nb-preview {
  overflow: hidden;
  background: none;
  color: var(--jp-ui-font-color1);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-ui-font-size0);
  text-overflow: ellipsis;
  white-space: nowrap;
}

.jp-govdata-nb-buttons {
  display: flex;
  flex-wrap: wrap;
  gap: 6px;
}

.jp-govdata-nb-buttons .jp-govdata-nb-button {
  flex: 1 1 auto;
  padding: 2px 8px;
}

.jp-govdata-nb-button {
  min-height: 26px;
  padding: 2px 10px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font: inherit;
  overflow-wrap: anywhere;
  cursor: pointer;
}

.jp-govdata-nb-button:hover:enabled {
  background: var(--jp-layout-color2);
}

/* The greys of a theme of high contrast are as bright as its text. */
.jp-govdata-nb-button:disabled {
  border-color: var(--jp-border-color3);
  color: var(--jp-ui-font-color3);
  cursor: default;
  opacity: 0.7;
}

.jp-govdata-nb-icon-button {
  display: inline-flex;
  flex: none;
  align-items: center;
  justify-content: center;
  width: 26px;
  height: 26px;
  padding: 0;
  border: 0;
  border-radius: var(--jp-border-radius);
  background: none;
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size2);
  cursor: pointer;
}

.jp-govdata-nb-work {
  margin-top: 10px;
}

.jp-govdata-nb-work > .jp-govdata-nb-row {
  flex-wrap: nowrap;
}

.jp-govdata-notebook progress {
  width: 100%;
  height: 6px;
  margin-top: 6px;
  accent-color: var(--jp-brand-color1);
}

.jp-govdata-nb-notice {
  padding: 6px 6px 8px 10px;
  border: 1px solid var(--jp-border-color1);
  border-inline-start: 3px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
}

.jp-govdata-notebook > .jp-govdata-nb-notice {
  margin: 10px 12px 0;
}

.jp-govdata-nb-notice.jp-mod-good {
  border-inline-start-color: var(--jp-success-color1);
}

.jp-govdata-nb-notice.jp-mod-warn {
  border-inline-start-color: var(--jp-warn-color1);
}

.jp-govdata-nb-notice.jp-mod-bad {
  border-inline-start-color: var(--jp-error-color1);
}

.jp-govdata-nb-notice p {
  margin: 0 0 4px;
  overflow-wrap: anywhere;
}

.jp-govdata-nb-notice .jp-govdata-nb-said {
  font-size: inherit;
}

.jp-govdata-nb-notice .jp-govdata-nb-list {
  margin: 4px 0 8px;
}

.jp-govdata-nb-blank {
  display: flex;
  flex-direction: column;
  align-items: center;
  gap: 10px;
  padding: 32px 20px;
  color: var(--jp-ui-font-color2);
  text-align: center;
}

.jp-govdata-nb-blank p {
  max-width: 32em;
  margin: 0;
}

.jp-govdata-nb-blank-icon svg {
  width: 40px;
  height: 40px;
}

/* -- status bar, dialogs ------------------------------------------------------------------ */

.jp-govdata-status {
  display: flex;
  align-items: center;
}

.jp-govdata-status-button {
  display: flex;
  align-items: center;
  gap: 4px;
  height: 100%;
  padding: 0 4px;
  border: 0;
  background: none;
  color: var(--jp-ui-font-color1);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
  white-space: nowrap;
  cursor: pointer;
}

.jp-govdata-nb-form {
  display: flex;
  flex-direction: column;
  gap: 10px;
  max-width: 420px;
}

.jp-govdata-nb-form label {
  display: flex;
  flex-direction: column;
  gap: 4px;
}

.jp-govdata-notebook button:focus-visible,
.jp-govdata-stamp button:focus-visible,
.jp-govdata-stamp summary:focus-visible,
.jp-govdata-status-button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}
`,""]),t.d(a,{},{A:i})},"./node_modules/css-loader/dist/runtime/api.js"(o){o.exports=function(o){var a=[];return a.toString=function(){return this.map(function(a){var t="",e=void 0!==a[5];return a[4]&&(t+="@supports (".concat(a[4],") {")),a[2]&&(t+="@media ".concat(a[2]," {")),e&&(t+="@layer".concat(a[5].length>0?" ".concat(a[5]):""," {")),t+=o(a),e&&(t+="}"),a[2]&&(t+="}"),a[4]&&(t+="}"),t}).join("")},a.i=function(o,t,e,r,p){"string"==typeof o&&(o=[[null,o,void 0]]);var i={};if(e)for(var l=0;l<this.length;l++){var n=this[l][0];null!=n&&(i[n]=!0)}for(var d=0;d<o.length;d++){var s=[].concat(o[d]);e&&i[s[0]]||(void 0!==p&&(void 0===s[5]||(s[1]="@layer".concat(s[5].length>0?" ".concat(s[5]):""," {").concat(s[1],"}")),s[5]=p),t&&(s[2]&&(s[1]="@media ".concat(s[2]," {").concat(s[1],"}")),s[2]=t),r&&(s[4]?(s[1]="@supports (".concat(s[4],") {").concat(s[1],"}"),s[4]=r):s[4]="".concat(r)),a.push(s))}},a}},"./node_modules/css-loader/dist/runtime/noSourceMaps.js"(o){o.exports=function(o){return o[1]}},"./node_modules/style-loader/dist/runtime/injectStylesIntoStyleTag.js"(o){var a=[];function t(o){for(var t=-1,e=0;e<a.length;e++)if(a[e].identifier===o){t=e;break}return t}function e(o,e){for(var r={},p=[],i=0;i<o.length;i++){var l=o[i],n=e.base?l[0]+e.base:l[0],d=r[n]||0,s="".concat(n," ").concat(d);r[n]=d+1;var c=t(s),g={css:l[1],media:l[2],sourceMap:l[3],supports:l[4],layer:l[5]};if(-1!==c)a[c].references++,a[c].updater(g);else{var v=function(o,a){var t=a.domAPI(a);return t.update(o),function(a){a?(a.css!==o.css||a.media!==o.media||a.sourceMap!==o.sourceMap||a.supports!==o.supports||a.layer!==o.layer)&&t.update(o=a):t.remove()}}(g,e);e.byIndex=i,a.splice(i,0,{identifier:s,updater:v,references:1})}p.push(s)}return p}o.exports=function(o,r){var p=e(o=o||[],r=r||{});return function(o){o=o||[];for(var i=0;i<p.length;i++){var l=t(p[i]);a[l].references--}for(var n=e(o,r),d=0;d<p.length;d++){var s=t(p[d]);0===a[s].references&&(a[s].updater(),a.splice(s,1))}p=n}}},"./node_modules/style-loader/dist/runtime/insertBySelector.js"(o){var a={};o.exports=function(o,t){var e=function(o){if(void 0===a[o]){var t=document.querySelector(o);if(window.HTMLIFrameElement&&t instanceof window.HTMLIFrameElement)try{t=t.contentDocument.head}catch(o){t=null}a[o]=t}return a[o]}(o);if(!e)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");e.appendChild(t)}},"./node_modules/style-loader/dist/runtime/insertStyleElement.js"(o){o.exports=function(o){var a=document.createElement("style");return o.setAttributes(a,o.attributes),o.insert(a,o.options),a}},"./node_modules/style-loader/dist/runtime/setAttributesWithoutAttributes.js"(o,a,t){o.exports=function(o){var a=t.nc;a&&o.setAttribute("nonce",a)}},"./node_modules/style-loader/dist/runtime/styleDomAPI.js"(o){o.exports=function(o){if("u"<typeof document)return{update:function(){},remove:function(){}};var a=o.insertStyleElement(o);return{update:function(t){var e,r,p;e="",t.supports&&(e+="@supports (".concat(t.supports,") {")),t.media&&(e+="@media ".concat(t.media," {")),(r=void 0!==t.layer)&&(e+="@layer".concat(t.layer.length>0?" ".concat(t.layer):""," {")),e+=t.css,r&&(e+="}"),t.media&&(e+="}"),t.supports&&(e+="}"),(p=t.sourceMap)&&"u">typeof btoa&&(e+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(p))))," */")),o.styleTagTransform(e,a,o.options)},remove:function(){var o;null===(o=a).parentNode||o.parentNode.removeChild(o)}}}},"./node_modules/style-loader/dist/runtime/styleTagTransform.js"(o){o.exports=function(o,a){if(a.styleSheet)a.styleSheet.cssText=o;else{for(;a.firstChild;)a.removeChild(a.firstChild);a.appendChild(document.createTextNode(o))}}},"./style/index.js"(o,a,t){var e=t("./node_modules/style-loader/dist/runtime/injectStylesIntoStyleTag.js"),r=t.n(e),p=t("./node_modules/style-loader/dist/runtime/styleDomAPI.js"),i=t.n(p),l=t("./node_modules/style-loader/dist/runtime/insertBySelector.js"),n=t.n(l),d=t("./node_modules/style-loader/dist/runtime/setAttributesWithoutAttributes.js"),s=t.n(d),c=t("./node_modules/style-loader/dist/runtime/insertStyleElement.js"),g=t.n(c),v=t("./node_modules/style-loader/dist/runtime/styleTagTransform.js"),j=t.n(v),u=t("./node_modules/css-loader/dist/cjs.js!./style/catalog.css"),f={};f.styleTagTransform=j(),f.setAttributes=s(),f.insert=n().bind(null,"head"),f.domAPI=i(),f.insertStyleElement=g(),r()(u.A,f),u.A&&u.A.locals&&u.A.locals;var x=t("./node_modules/css-loader/dist/cjs.js!./style/notebook.css"),m={};m.styleTagTransform=j(),m.setAttributes=s(),m.insert=n().bind(null,"head"),m.domAPI=i(),m.insertStyleElement=g(),r()(x.A,m),x.A&&x.A.locals&&x.A.locals}}]);