import { writeFile } from 'node:fs/promises';
import { configurationPage } from './configuration-page.ts';

/** Writes docs/configuration.md anew; a test says when it is stale. */
await writeFile(new URL('../docs/configuration.md', import.meta.url), configurationPage());
