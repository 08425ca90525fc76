// An nginx that gives files away as cheaply as it can, in one process, so that all that it costs is in one place.

export interface NginxPlace {
  /** For its own files. */
  readonly home: string;
  readonly servedFolder: string;
  /** `address:port` */
  readonly listen: string;
}

export function nginxConfig({ home, servedFolder, listen }: NginxPlace): string {
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off; master_process off; ${user} pid ${home}/nginx.pid; error_log stderr;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on;
  ${temporary.map((kind) => `${kind}_temp_path ${home}/${kind};`).join(' ')}
  server { listen ${listen}; root ${servedFolder}; }
}
`;
}
