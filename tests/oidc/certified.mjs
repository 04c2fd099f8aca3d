// A provider that is certified by the OpenID Foundation (npm: oidc-provider), with one client and people who know no password.
const [library, issuer, client_id, client_secret, page] = process.argv.slice(2);
const { Provider } = await import(library);

const provider = new Provider(issuer, {
  clients: [
    {
      client_id,
      client_secret,
      redirect_uris: [`${page}/sign-in/provider/back`],
      post_logout_redirect_uris: [`${page}/sign-in`],
    },
  ],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
  cookies: { keys: ["of a test"] },
  pkce: { required: () => true },
  findAccount: async (_context, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, preferred_username: id, groups: ["radiographers"] }),
  }),
});
provider.listen(Number(new URL(issuer).port), "127.0.0.1", () => console.log("ready"));
