import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { api } from '../frameworks/apiProxy.mjs';

export default defineConfig({
  plugins: [svelte(), api()],
});
