/** Which packages of the registries a native backend is built from: exact versions, and the hashes that Python's packages must have. */

/** A package of Python's registry: `name==version`, and the SHA-256 of its file for this platform. */
export interface Wheel {
  readonly name: string;
  readonly sha256: string;
}

export interface Recipe {
  /** The package of npm that becomes the backend. */
  readonly package: string;
  /** TensorFlow's shared libraries and headers. */
  readonly tensorflow: Wheel;
  /** Libraries of NVIDIA that this TensorFlow was built for; the driver is the machine's own. */
  readonly cuda: readonly Wheel[];
  /** Most space that the build needs, and what stays of it. */
  readonly bytes: { readonly build: number; readonly kept: number };
}

/** The newest one that has what the binding's sources ask for, and CUDA libraries that current cards know. */
const version = '2.15.1';

export const recipes: Readonly<Record<string, Recipe>> = {
  tensorflow: {
    package: '@tensorflow/tfjs-node',
    tensorflow: { name: `tensorflow-cpu==${version}`, sha256: '54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26' },
    cuda: [],
    bytes: { build: 1.5e9, kept: 0.9e9 },
  },
  'tensorflow-gpu': {
    package: '@tensorflow/tfjs-node-gpu',
    tensorflow: { name: `tensorflow==${version}`, sha256: 'bb0edd69103c154245c5f209f0507355cc68ba7e4de350084bc31edc562478e4' },
    cuda: [
      { name: 'nvidia-cuda-runtime-cu12==12.2.140', sha256: 'acb9cb7e44594a3512533497ea790d9f0b0e399abcc888584c157d1ffa080e41' },
      { name: 'nvidia-cublas-cu12==12.2.5.6', sha256: 'f448d8db463f9a2c7dd9a1e607c0961d3e95f825b86839c5882f7d073d406df0' },
      { name: 'nvidia-cudnn-cu12==8.9.4.25', sha256: '9f882d5b11753c566fd32427839089eb4f8ba7a58c28446ad359e32c40229723' },
      { name: 'nvidia-cufft-cu12==11.0.8.103', sha256: '72e961e578f9be9e316ccb4db8652c421dd0b57442624faa71061d452f449a67' },
      { name: 'nvidia-cusolver-cu12==11.5.2.141', sha256: '5a85c4653ce34339a5688137f494a0f903e0f0532418550998167f00844161da' },
      { name: 'nvidia-cusparse-cu12==12.1.2.141', sha256: '4e13d6a51d2303dcb2a023ba09546811161f0334fc64e13689397bbd3b1eb126' },
      { name: 'nvidia-nvjitlink-cu12==12.2.140', sha256: '95635cafbf9f96c38bea5200ab145a2e6aefbb5405e0b04c1e4ba54df2d84ec9' },
      { name: 'nvidia-cuda-cupti-cu12==12.2.142', sha256: 'ce68d1009dd14215e38ed49643d31374c71d6fea381181cb0b9da7f19dfd1624' },
    ],
    bytes: { build: 9e9, kept: 4.5e9 },
  },
};

/** Headers of Node's interface for native parts: an exact version, as of the packages above. */
export const headersPackage = 'node-api-headers';
export const headersVersion = '1.9.0';
