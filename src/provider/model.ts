/** A target's model as the program found it. */
export interface BaseModel {
  /** Its name as the job wrote it, or the folder's path. */
  readonly base: string;
  /** The identity of its content, where that is known. */
  readonly revision: string | null;
  /** How many tokens it can read, where that is known. */
  readonly maxLength: number | null;
  /** The licence as its card names it; null: it names none; absent: nobody has looked. */
  readonly license?: string | null;
  /** The Hub that it comes from; absent: it comes from none. */
  readonly endpoint?: string;
  /** Where it lies on this machine, or will lie once it has been downloaded: an absolute path. */
  readonly folder?: string;
  /** How much of it a submission has to download first; absent: nothing. */
  readonly downloadBytes?: number;
  /** Its sizes as its configuration gives them; only its provider understands them. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** The labels that it gives texts already, in the order of its classes; absent: none, or nobody has looked. */
  readonly labels?: readonly string[];
  /** A text may have several of them, or none; absent: exactly one. */
  readonly isMultiLabel?: true;
  /** How many numbers it is made of, where that is known. */
  readonly parameters?: number;
}

/** A model that answers rows. */
export type ModelRef = FolderModel | EndpointModel | RepositoryModel;

/** A folder on this machine: a tuned model, or one with a new head drawn from a seed. */
export interface FolderModel {
  readonly kind: 'folder';
  /** Changes whenever an answer may change: predictions are stored under it. */
  readonly identity: string;
  readonly path: string;
  readonly labels: readonly string[];
  /** A text may have several of them, or none; absent: exactly one. */
  readonly isMultiLabel?: true;
  /** Seeds the head where the folder has none for these labels. */
  readonly seed: number;
  readonly maxLength: number;
  /** A base model that has a head for these labels; absent: it is tuned, or its head is drawn. */
  readonly hasOwnHead?: true;
}

/** A folder of which nothing but its path is known. */
export type FolderName = Pick<FolderModel, 'kind' | 'path'>;

/** A model that a service answers with. */
export interface EndpointModel {
  readonly kind: 'endpoint';
  /** Changes whenever an answer may change: predictions are stored under it. */
  readonly identity: string;
  /** The endpoint, namespace or account where it is called, as in the JobRef. */
  readonly location: string;
  /** Its name in requests. */
  readonly name: string;
  /** The model that it was tuned from, which decides its price; its own name where that is not known. */
  readonly base: string;
  /** It answers only while it is deployed (`deploy`). */
  readonly needsDeployment?: true;
  /** The name of the credential that opens it, where its provider has none of its own. */
  readonly credential?: string;
  /** What its tokens cost, US dollars per million, where the user says it with its name; absent: nobody has. */
  readonly price?: { readonly input: number; readonly output: number };
}

/** A model in a repository of a service: it answers once it has been brought to this machine (`download`). */
export interface RepositoryModel {
  readonly kind: 'repository';
  /** Changes whenever an answer may change: predictions are stored under it. */
  readonly identity: string;
  readonly location: string;
  /** `owner/name`. */
  readonly repository: string;
  /** A commit, never a branch. */
  readonly revision: string;
  readonly labels: readonly string[];
  readonly maxLength: number;
}
