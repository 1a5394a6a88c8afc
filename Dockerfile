# One image for every process of the server (target `server`), and one for a development stack's chain, relayer simulator and shop (target `dev`).

FROM node:22-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci

FROM packages AS dev
COPY . .
RUN mkdir -p /data && chown -R node:node /data /app
USER node
ENTRYPOINT ["node", "--import", "tsx"]

FROM packages AS build
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:22-slim AS server
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json openapi.yaml ./
USER node
# Young garbage is most of what a request leaves behind; a larger space for it makes collections rarer (see docs/bench.md).
ENV NODE_OPTIONS="--max-semi-space-size=32 --enable-source-maps"
EXPOSE 3000
CMD ["node", "dist/api/main.js"]
