// Shows the OpenAPI document of this server with Swagger UI.

const root = new URL(".", location.href); // of the server, also behind a proxy that adds a prefix
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function followScheme() {
  document.documentElement.classList.toggle("dark-mode", prefersDark.matches);
}

async function show() {
  const response = await fetch(new URL("openapi.json", root));
  if (!response.ok) {
    throw new Error(`the server answers ${response.status} for openapi.json`);
  }
  const spec = await response.json();
  spec.servers = [{ url: root.href.replace(/\/$/, "") }];
  SwaggerUIBundle({
    spec,
    dom_id: "#reference",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    validatorUrl: "none", // else a website of Swagger's would get the address of this server
  });
}

prefersDark.addEventListener("change", followScheme);
followScheme();
show().catch((error) => (document.getElementById("reference").textContent = `The API cannot be shown: ${error.message}`));
