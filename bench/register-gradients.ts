import { registerHooks } from 'node:module';

/**
 * Registers tfjs's own gradients, which `@tensorflow/tfjs-core` leaves out in Node. Its modules name each other without an
 * extension; they share the engine and the registry with the package's bundle through globals.
 */
export async function registerGradients(): Promise<void> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const isBare = /^\.{1,2}\//.test(specifier) && !specifier.endsWith('.js') && context.parentURL?.includes('/tfjs-core/dist/') === true;
      if (!isBare) return next(specifier, context);
      try {
        return next(`${specifier}.js`, context);
      } catch {
        return next(`${specifier}/index.js`, context);
      }
    },
  });
  await import(new URL('../node_modules/@tensorflow/tfjs-core/dist/register_all_gradients.js', import.meta.url).href);
  hooks.deregister();
}
