/** The errors of a Hugging Face hub, exactly as its clients tell them apart: status, X-Error-Code, X-Error-Message. */
import { jsonReply, type Reply, withHeaders } from './reply.ts';

/** Anonymous callers can't tell an absent repository from a private one; no code, as on the real hub. */
export function unauthorized(): Reply {
  return withHeaders(hfError(401, undefined, 'Invalid username or password.'), {
    'www-authenticate': 'Bearer',
  });
}

export function badToken(): Reply {
  const message = 'Invalid credentials in Authorization header';
  return withHeaders(hfError(401, undefined, message), { 'www-authenticate': 'Bearer' });
}

export function repoNotFound(): Reply {
  return hfError(404, 'RepoNotFound', 'Repository not found');
}

export function revisionNotFound(revision: string): Reply {
  return hfError(404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
}

/** Carries X-Repo-Commit, without which clients don't remember the absence. */
export function entryNotFound(commitSha: string): Reply {
  return withHeaders(hfError(404, 'EntryNotFound', 'Entry not found'), { 'x-repo-commit': commitSha });
}

export function gated(status: 401 | 403, repoId: string): Reply {
  const hint =
    status === 401
      ? 'You must have access to it and be authenticated to access it. Please log in.'
      : 'Visit the repository to ask for access.';
  return hfError(status, 'GatedRepo', `Access to ${repoId} is restricted. ${hint}`);
}

export function disabled(): Reply {
  return hfError(403, undefined, 'Access to this resource is disabled.');
}

export function tooManyRequests(): Reply {
  return hfError(429, undefined, 'We had to rate limit you.');
}

export function badRequest(message: string): Reply {
  return hfError(400, 'BadRequest', message);
}

export function routeNotFound(): Reply {
  return jsonReply(404, { error: "Sorry, we can't find the page you are looking for." });
}

function hfError(status: number, code: string | undefined, message: string): Reply {
  const headers = { 'x-error-message': headerSafe(message), ...(code ? { 'x-error-code': code } : {}) };
  return jsonReply(status, { error: message }, headers);
}

function headerSafe(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
