import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { api } from '../frameworks/apiProxy.mjs';

export default defineConfig({
  plugins: [react(), api()],
});
