/** What a person types: a clone is started through npx, the installed package by its name. */
export const programName = import.meta.url.endsWith('.ts') ? 'npx orchestrate' : 'orchestrate';
