import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

// Airflow's page puts these on globalThis, so that a plugin shares its React, router, components and theme.
const globals = {
  react: "React",
  "react-dom": "ReactDOM",
  "react/jsx-runtime": "ReactJSXRuntime",
  "react-router-dom": "ReactRouterDOM",
  "@chakra-ui/react": "ChakraUI",
  "@emotion/react": "EmotionReact",
};

export default defineConfig({
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    outDir: path("../../airflow_lupus/plugin/static"),
    emptyOutDir: true,
    target: "es2022",
    lib: {
      entry: path("src/index.tsx"),
      name: "AirflowPlugin",
      formats: ["umd"],
      fileName: () => "lupus.js",
    },
    rollupOptions: {
      external: Object.keys(globals),
      output: {
        globals,
        exports: "default",
        // The bundle is committed and shipped: uPlot's licence travels with it.
        banner: `/*! The page of airflow-lupus, Apache-2.0. Contains uPlot:\n${readFileSync(path("node_modules/uplot/LICENSE"), "utf8").trim()}\n*/`,
      },
    },
  },
});
