/** Why a request is not carried out, with the status that says so and a sentence on what to do. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly error: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, error: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.status = status;
    this.error = error;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
