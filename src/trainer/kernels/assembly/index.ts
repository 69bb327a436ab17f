/*
 * The kernels of the trainer, in AssemblyScript (npm run kernels builds them). They compute on 32-bit floats in the memory of tfjs's
 * WebAssembly backend: arguments are addresses and sizes. Nothing is checked in here, except where said: the functions of ../calls.ts
 * are the door, and know the sizes of what they are given. Sizes may be any number from 1 on.
 */
export { areStarts, attention, attentionGradient } from './attention';
export { dropout, gelu, multiply } from './elementwise';
export { embed, embedGradient, firstRows, firstRowsGradient } from './embedding';
export { gate, gateGradient, logProbabilities, logProbabilitiesGradient, rmsNorm, rmsNormGradient, turn } from './language';
export { layerNorm, layerNormGradient } from './layer-norm';
export { adamW, sumSquares } from './optimizer';
export { countScratchBytes, initialize, product, sumRows } from './product';
