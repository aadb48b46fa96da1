"""HTTP: routes, schemas, errors and uploads. Only this package and `transport` import FastAPI."""
