/** How the service treats one account, beside faults. */
export interface Settings {
  /** From the creation of a job to its end on the clock. */
  readonly jobMs: number;
  /** Jobs go on by being looked at instead of by the clock: after so many retrievals they have ended. */
  readonly looks: number | null;
  /** A created job is listed only after so many ms. */
  readonly listLagMs: number;
  /** An error that every creation of a job gets. */
  readonly refuse: RefusalName | null;
  /** Jobs end with this error instead of with a model. */
  readonly jobError: { readonly code: string; readonly message: string } | null;
  /** Jobs succeed without a model, as when a safety check blocks it. */
  readonly blockModel: boolean;
  /** At the Hub: jobs fail and say that they have ended well, with a traceback in their log and no model. */
  readonly hiddenFailure: boolean;
  /** So many jobs of other people stand in the list; they run for ever and cost nothing. */
  readonly otherJobs: number;
}

export const defaultSettings: Settings = {
  jobMs: 4000,
  looks: null,
  listLagMs: 0,
  refuse: null,
  jobError: null,
  blockModel: false,
  hiddenFailure: false,
  otherJobs: 0,
};

/** Errors that a creation can get, by their code. */
export const refusals = {
  training_not_available: {
    status: 403,
    type: 'invalid_request_error',
    message:
      'OpenAI is winding down the fine-tuning platform and your organization is no longer able to create new fine-tuning training jobs.',
  },
  model_not_available: {
    status: 400,
    type: 'invalid_request_error',
    message: 'The model is not available for fine-tuning or does not exist.',
  },
  insufficient_quota: {
    status: 429,
    type: 'insufficient_quota',
    message: 'You exceeded your current quota, please check your plan and billing details.',
  },
  rate_limit_exceeded: { status: 429, type: 'requests', message: 'Rate limit reached for fine-tuning jobs. Please try again later.' },
  invalid_api_key: { status: 401, type: 'invalid_request_error', message: 'Incorrect API key provided.' },
  server_error: { status: 503, type: 'server_error', message: 'The server is overloaded. Please try again later.' },
} as const satisfies Readonly<Record<string, { readonly status: number; readonly type: string; readonly message: string }>>;

export type RefusalName = keyof typeof refusals;
