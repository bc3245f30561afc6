import { z } from 'zod';

/** A time as the APIs of Kubernetes and GitHub write it. None that it takes is one that `Date.parse` cannot read. */
export const Timestamp = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
