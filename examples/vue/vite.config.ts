import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';
import { api } from '../frameworks/apiProxy.mjs';

export default defineConfig({
  plugins: [vue(), api()],
});
