import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  build: { target: "es2022", assetsInlineLimit: 0 },
  server: { proxy: { "/runstream.v1": "http://127.0.0.1:8080", "/api": "http://127.0.0.1:8080" } },
});
