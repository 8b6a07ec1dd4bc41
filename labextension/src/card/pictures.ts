/** Pictures of files under one view: few are asked for at a time, and each is asked for once. */
import { ApiError } from '../api/client';

const AT_ONCE = 3;

/** A picture, or why there is none: `none` of this file, or `failed`. */
export type Picture = Blob | 'none' | 'failed';

export class Pictures {
  constructor(private readonly ask: (key: string) => Promise<Blob>) {}

  /** The picture of a file; it never rejects. */
  get(key: string): Promise<Picture> {
    let found = this._found.get(key);
    if (!found) {
      found = this.inTurn(key);
      this._found.set(key, found);
    }
    return found;
  }

  private async inTurn(key: string): Promise<Picture> {
    if (this._asking >= AT_ONCE) {
      await new Promise<void>(resolve => this._waiting.push(resolve));
    } else {
      this._asking++;
    }
    try {
      return await this.ask(key);
    } catch (reason) {
      if (reason instanceof ApiError && (reason.failure === 'missing' || reason.code === 'missing_extra')) {
        return 'none';
      }
      // Another look asks again.
      this._found.delete(key);
      return 'failed';
    } finally {
      const next = this._waiting.shift();
      if (next) {
        next();
      } else {
        this._asking--;
      }
    }
  }

  private readonly _found = new Map<string, Promise<Picture>>();
  private readonly _waiting: (() => void)[] = [];
  private _asking = 0;
}
