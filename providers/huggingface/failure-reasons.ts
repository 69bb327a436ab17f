import type { FailureCause, FailureCode } from '../../src/errors.ts';

/** Why a training can fail, as far as its last words tell. */
export interface FailureReason {
  readonly code: FailureCode;
  readonly cause: FailureCause;
  /** What happened, in a few words; what the program itself said follows. */
  readonly what: string;
  readonly hint: string;
}

interface Sign {
  /** In `Type: message` of one of the exceptions, or in the last line of a program that ended without one. */
  readonly pattern: RegExp;
  /** Where it was raised, where the words alone do not tell. */
  readonly location?: RegExp;
  readonly reason: FailureReason;
}

export const reasons = {
  gpuMemory: {
    code: 'out-of-memory',
    cause: 'user',
    what: 'the memory of the GPU was not enough',
    hint: 'use a smaller batchSize or maxLength, a LoRA adapter, or a flavor with more memory',
  },
  memory: {
    code: 'out-of-memory',
    cause: 'user',
    what: 'the memory of the machine was not enough',
    hint: 'use a flavor with more memory, or a smaller model',
  },
  killed: {
    code: 'out-of-memory',
    cause: 'user',
    what: 'the training was killed (exit status 137), as machines do when their memory is full',
    hint: 'use a flavor with more memory, or a smaller batchSize or maxLength',
  },
  disk: {
    code: 'disk-full',
    cause: 'user',
    what: 'the disk of the machine was full',
    hint: 'use a flavor with a larger disk, or keep fewer checkpoints',
  },
  timeout: {
    code: 'timeout',
    cause: 'timeout',
    what: 'the job ran longer than it was allowed to',
    hint: 'allow more hours in budget, or train for fewer epochs',
  },
  token: {
    code: 'credentials-invalid',
    cause: 'user',
    what: 'the Hub refused the token that the job was given',
    hint: 'make a token that may read the model and the data and write repositories, and set it as HF_TOKEN',
  },
  gatedModel: {
    code: 'model-invalid',
    cause: 'user',
    what: 'the model or data set is gated, and this account has no access',
    hint: "ask for access on the repository's page, or choose another one",
  },
  missingModel: {
    code: 'model-invalid',
    cause: 'user',
    what: 'the model or data set is not there, or this account may not see it',
    hint: 'check its name and revision, and that the token may read it',
  },
  unsupportedModel: {
    code: 'model-invalid',
    cause: 'user',
    what: 'the training program is too old for this model, or the model is of another kind',
    hint: 'choose another model, or another engine: trl knows newer models than autotrain',
  },
  unreachable: {
    code: 'service-unreachable',
    cause: 'provider',
    what: 'the job could not reach the Hub',
    hint: 'submit it again; look at https://status.huggingface.co if it happens again',
  },
  hubFault: {
    code: 'service-unavailable',
    cause: 'provider',
    what: 'the Hub did not answer as it should',
    hint: 'submit it again; look at https://status.huggingface.co if it happens again',
  },
  quota: {
    code: 'quota-exhausted',
    cause: 'quota',
    what: 'the account has nothing left to spend, or no storage left',
    hint: 'add credit or storage to the account',
  },
  repositoryExists: {
    code: 'request-refused',
    cause: 'user',
    what: 'the repository that the model should go to exists already',
    hint: 'delete it or give the run another name',
  },
  chatTemplate: {
    code: 'model-invalid',
    cause: 'user',
    what: 'the tokenizer of the model has no chat template',
    hint: 'choose a model that was tuned for chats, or name a chat template',
  },
  column: {
    code: 'data-invalid',
    cause: 'data',
    what: 'the data has no such column',
    hint: 'compare data.columns with the columns of the data',
  },
  split: {
    code: 'data-invalid',
    cause: 'data',
    what: 'the data has no such split',
    hint: 'compare the names of the splits with those of the data',
  },
  rows: {
    code: 'data-invalid',
    cause: 'data',
    what: 'the rows could not be read',
    hint: 'give all rows the same fields with the same types',
  },
  setting: {
    code: 'job-file-invalid',
    cause: 'user',
    what: 'the training program does not take its settings',
    hint: 'check what stands under native',
  },
  argument: {
    code: 'job-file-invalid',
    cause: 'user',
    what: 'the training program does not know an argument',
    hint: 'check what stands under native; names change between versions',
  },
  needsGpu: {
    code: 'job-file-invalid',
    cause: 'user',
    what: 'this setting needs a GPU',
    hint: 'choose a flavor with a GPU, or leave quantization out',
  },
  wrongGpu: {
    code: 'job-file-invalid',
    cause: 'user',
    what: 'the training program cannot use this GPU',
    hint: 'choose another flavor',
  },
} as const satisfies Record<string, FailureReason>;

/** The first that fits is the reason: what is more exact stands before what is less. */
export const signs: readonly Sign[] = [
  {
    pattern: /CUDA (?:error: )?out of memory|HIP out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED/i,
    reason: reasons.gpuMemory,
  },
  { pattern: /^OutOfMemoryError\b/, reason: reasons.gpuMemory },
  {
    pattern: /^_?(?:Array)?MemoryError\b|DefaultCPUAllocator: (?:can't allocate|not enough) memory|\[Errno 12\]|unable to mmap \d+ bytes/,
    reason: reasons.memory,
  },
  { pattern: /\[Errno (?:28|122)\]|No space left on device|Disk quota exceeded|\(os error 28\)/i, reason: reasons.disk },
  { pattern: /SIGKILL|exit (?:status|code)[ :]{1,3}(?:137|-9)\b|\bOOMKilled\b/, reason: reasons.killed },
  {
    pattern: /chat_template is not set|does not have a chat template|Cannot use (?:apply_)?chat[_ ]template/i,
    reason: reasons.chatTemplate,
  },
  {
    pattern: /^GatedRepoError\b|(?:access a|access) gated repo|Access to (?:model|dataset) \S{1,200} is restricted/i,
    reason: reasons.gatedModel,
  },
  {
    pattern:
      /Invalid (?:user token|username or password|credentials)|LocalTokenNotFoundError|token .{0,40}(?:is not valid|is invalid|expired)/i,
    reason: reasons.token,
  },
  { pattern: /already created this (?:model|dataset|space) repo/i, reason: reasons.repositoryExists },
  {
    pattern:
      /^(?:Repository|Revision|Entry|RemoteEntry|Dataset|DataFiles)NotFoundError\b|Repository Not Found for url|is not a valid model identifier/,
    reason: reasons.missingModel,
  },
  { pattern: /does not appear to have a file named|doesn't exist on the Hub/, reason: reasons.missingModel },
  {
    pattern: /Transformers does not recognize this architecture|Unrecognized (?:model in|configuration class)/,
    reason: reasons.unsupportedModel,
  },
  {
    pattern: /couldn't connect to 'https?:|^(?:LocalEntryNotFound|OfflineModeIsEnabled|ConnectionError|ConnectError)/,
    reason: reasons.unreachable,
  },
  { pattern: /\b402 (?:Client Error|Payment Required)|Payment Required|storage (?:limit|quota)/i, reason: reasons.quota },
  { pattern: /\b(?:401|403) (?:Client Error|Forbidden|Unauthorized)/, reason: reasons.token },
  { pattern: /\b(?:429 Client|50\d Server) Error/, reason: reasons.hubFault },
  { pattern: /unrecognized arguments|not used by the HfArgumentParser|unexpected keyword argument/, reason: reasons.argument },
  { pattern: /: error: argument |: error: the following arguments are required|: error: ambiguous option/, reason: reasons.setting },
  { pattern: /Unknown split |^ValueError: Split .{1,200} not found/, reason: reasons.split },
  { pattern: /^KeyError\b/, location: /^dataset_dict\.py:/, reason: reasons.split },
  { pattern: /^KeyError\b/, location: /^parser\.py:/, reason: reasons.setting },
  {
    pattern: /\bnot in (?:train|valid|validation) data\b|^(?:ValueError|KeyError|AttributeError): .{0,200}\bcolumns?\b/i,
    reason: reasons.column,
  },
  {
    pattern: /^KeyError\b/,
    location: /^(?:arrow_dataset|formatting|text|frame|base|data_utils|\w+_trainer)\.py:/,
    reason: reasons.column,
  },
  { pattern: /^(?:DatasetGeneration(?:Cast)?Error|CastError|ArrowInvalid|ArrowTypeError)\b/, reason: reasons.rows },
  { pattern: /^ValidationError: \d+ validation errors? for|^ValueError: Task .{1,100} is not supported/, reason: reasons.setting },
  {
    pattern: /CUDA is required but not available|No GPU found|Torch not compiled with CUDA|Found no NVIDIA driver/,
    reason: reasons.needsGpu,
  },
  { pattern: /no kernel image is available/, reason: reasons.wrongGpu },
];
