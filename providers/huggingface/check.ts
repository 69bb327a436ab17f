import type { Context } from '../../src/provider/context.ts';
import type { Check } from '../../src/provider/provider.ts';
import { isFailure } from '../../src/errors.ts';
import { openHub } from './client.ts';
import { readAccount } from './namespace.ts';

const name = 'Hugging Face';

/** Whether the Hub knows the token, and the account can pay; costs nothing. Without a token nothing is asked. */
export async function check(context: Context): Promise<Check[]> {
  if (context.credential('HF_TOKEN') === null) {
    // No fault: most people use some services only.
    return [{ name, ok: true, found: 'not set up: HF_TOKEN not set', hint: null }];
  }
  try {
    const hub = openHub(context, { deadlineMs: 15_000 });
    const { name: account, canPay } = await readAccount(hub);
    const namespace = context.setting('HF_NAMESPACE') ?? account;
    const found = `the token of ${account} works at ${hub.endpoint}; jobs run in ${namespace}`;
    if (canPay !== false) return [{ name, ok: true, found, hint: null }];
    return [
      { name, ok: false, found: `${found}, which cannot pay for them`, hint: 'add credit at https://huggingface.co/settings/billing' },
    ];
  } catch (error) {
    if (!isFailure(error)) throw error;
    return [{ name, ok: false, found: error.message, hint: error.hint }];
  }
}
