"""HTTP: routes, schemas, errors, uploads. The only room beside `transport` that knows FastAPI."""
