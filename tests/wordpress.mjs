// A real WordPress of its own: Debian's files, PHP's web server and a MariaDB over a temporary folder.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./dev.mjs";
import { temporaryFolder } from "./workerd.mjs";

const PACKAGES = ["php-cli", "php-mysql", "mariadb-server", "wordpress"];
/** Debian's MariaDB is where only root looks for programs. */
const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
/** Where the files are; those of another version may be named. */
const FILES = process.env.WORDPRESS ?? "/usr/share/wordpress";

export const OWNER = { user: "owner", password: "correct horse" };
export const EDITOR = { user: "editor", password: "battery staple" };

/** Why there is no WordPress; false where there is one. */
export const NO_WORDPRESS =
  !(existsSync(FILES) && succeeds("mariadbd", "--version") && succeeds("php", "-r", "exit((int) !extension_loaded('mysqli'));")) &&
  `they need ${PACKAGES.join(", ").replace(/, (?=\w+$)/, " and ")} (apt-get install --no-install-recommends ${PACKAGES.join(" ")})`;

function succeeds(command, ...args) {
  return spawnSync(command, args, { stdio: "ignore", env: ENV }).status === 0;
}

const running = new Map();
const kill = () => running.forEach((_, pid) => process.kill(-pid, "SIGKILL"));
// Before the folders are removed.
process.prependListener("exit", kill);
// As a test ends that takes too long.
process.once("SIGTERM", () => process.exit(1));

/**
 * Installs it and starts it. `url` is on a host other than this machine's, which the browser of
 * browser.mjs opens all the same; who cannot, asks for `host` at `local`. `php(code)` answers what PHP
 * code returns inside of WordPress, and holds up all else here meanwhile. `log()` is what PHP has
 * complained about, and `stop()` resolves when everything has ended. `put(path, text)` writes a file of its, `network()` makes it a network of two sites,
 * the second in the folder `two`, and `alone()` one site again.
 */
export async function startWordPress() {
  const folder = temporaryFolder();
  const root = join(folder, "www");
  const port = await freePort();
  const url = `http://blog.example:${port}`;
  // Many of the files are links to other packages.
  spawnSync("cp", ["-rL", FILES, root]);
  const put = (path, text) => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put("wp-config.php", configuration(folder, url));
  put("wp-content/mu-plugins/tests.php", MU_PLUGIN);
  put("wp-content/themes/tests/style.css", "/* Theme Name: Tests */");
  put("wp-content/themes/tests/functions.php", THEME_FUNCTIONS);
  put("wp-content/themes/tests/index.php", THEME_PAGE);
  await startDatabase(folder);
  evaluate(root, INSTALL, "define('WP_INSTALLING', true);");
  // A file that a test has changed counts at once.
  const settings = ["opcache.revalidate_freq=0", "display_errors=0", "log_errors=1", `error_log=${folder}/php.log`].flatMap((setting) => ["-d", setting]);
  start("php", [...settings, "-S", `127.0.0.1:${port}`, "-t", root], { PHP_CLI_SERVER_WORKERS: "6" });
  return {
    url,
    host: new URL(url).host,
    local: `http://127.0.0.1:${port}`,
    php: (code) => evaluate(root, code),
    put,
    log: () => complaints(root),
    network() {
      const { host } = new URL(url);
      // As a web server's rules have it: files are the same in every site's folder.
      put("two/index.php", "<?php require __DIR__ . '/../index.php';");
      for (const name of ["wp-content", "wp-includes"]) symlinkSync(join(root, name), join(root, "two", name));
      evaluate(root, NETWORK.replaceAll("HOST", host));
      put("wp-config.php", configuration(folder, url, host));
      return evaluate(root, SECOND_SITE.replaceAll("HOST", host));
    },
    alone: () => put("wp-config.php", configuration(folder, url)),
    stop,
  };
}

/** Starts a program that ends with this one, and so does all that it starts. */
function start(command, args, env = {}) {
  const child = spawn(command, args, { stdio: "ignore", detached: true, env: { ...ENV, ...env } });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  running.set(child.pid, ended);
  ended.then(() => running.delete(child.pid));
}

/** Resolves when all that was started has ended. */
function stop() {
  kill();
  return Promise.all(running.values());
}

async function startDatabase(folder) {
  const common = ["--no-defaults", `--datadir=${folder}/data`, ...(process.getuid() === 0 ? ["--user=root"] : [])];
  const made = spawnSync("mariadb-install-db", [...common, "--auth-root-authentication-method=normal", "--skip-test-db"]);
  if (made.status !== 0) throw new Error(`${made.stdout}${made.stderr}`);
  start("mariadbd", [
    ...common, "--skip-networking", `--socket=${folder}/sql`, `--pid-file=${folder}/pid`,
    // Nothing here has to survive.
    "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--skip-log-bin",
  ]);
  const create = `mysqli_report(MYSQLI_REPORT_OFF);
    $db = @mysqli_connect('localhost', 'root', '', '', 0, '${folder}/sql');
    exit((int) !($db && $db->query('CREATE DATABASE IF NOT EXISTS wp')));`;
  for (let waited = 0; !succeeds("php", "-r", create); waited++) {
    if (waited > 100) throw new Error("MariaDB does not start");
    await sleep(100);
  }
}

function configuration(folder, url, networkHost) {
  const constants = {
    DB_NAME: "wp", DB_USER: "root", DB_PASSWORD: "", DB_HOST: `localhost:${folder}/sql`, DB_CHARSET: "utf8mb4", DB_COLLATE: "",
    AUTH_KEY: "a", SECURE_AUTH_KEY: "b", LOGGED_IN_KEY: "c", NONCE_KEY: "d",
    AUTH_SALT: "e", SECURE_AUTH_SALT: "f", LOGGED_IN_SALT: "g", NONCE_SALT: "h",
    WP_HOME: url, WP_SITEURL: url, FS_METHOD: "direct", WP_DEBUG: true, WP_DEBUG_DISPLAY: false, WP_DEBUG_LOG: `${folder}/php.log`,
    // It asks nobody but the Worker.
    WP_HTTP_BLOCK_EXTERNAL: true, WP_ACCESSIBLE_HOSTS: "127.0.0.1", DISABLE_WP_CRON: true, AUTOMATIC_UPDATER_DISABLED: true,
    ...(networkHost && {
      WP_ALLOW_MULTISITE: true, MULTISITE: true, SUBDOMAIN_INSTALL: false, DOMAIN_CURRENT_SITE: networkHost, PATH_CURRENT_SITE: "/",
      SITE_ID_CURRENT_SITE: 1, BLOG_ID_CURRENT_SITE: 1,
    }),
  };
  if (networkHost) for (const name of ["WP_HOME", "WP_SITEURL"]) delete constants[name];
  const lines = Object.entries(constants).map(([name, value]) => `define('${name}', ${JSON.stringify(value)});`);
  // As the command line has no host.
  if (networkHost) lines.push(`if (PHP_SAPI === 'cli') $_SERVER['HTTP_HOST'] = '${networkHost}';`);
  return `<?php
${lines.join("\n")}
$table_prefix = 'wp_';
defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require ABSPATH . 'wp-settings.php';
`;
}

/** Runs PHP code inside of WordPress; what it returns, through JSON. */
function evaluate(root, code, before = "") {
  const script = `<?php ${before}
    $_SERVER += ['HTTP_HOST' => 'blog.example', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/', 'REMOTE_ADDR' => '127.0.0.1'];
    require '${root}/wp-load.php';
    file_put_contents('php://stderr', json_encode((function () { ${code} })()));`;
  const { stdout, stderr, status } = spawnSync("php", ["-d", "display_errors=1"], { input: script });
  if (status !== 0 || `${stdout}`) throw new Error(`${stdout}`.replace(/<style.*<\/style>/s, "") + stderr + complaints(root));
  return JSON.parse(`${stderr}` || "null");
}

/** What PHP has logged. */
function complaints(root) {
  const file = join(root, "../php.log");
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

const INSTALL = `
  function wp_new_blog_notification() {}
  require_once ABSPATH . 'wp-admin/includes/upgrade.php';
  ob_start();
  wp_install('Blog', '${OWNER.user}', 'owner@blog.example', true, '', '${OWNER.password}');
  wp_insert_user(['user_login' => '${EDITOR.user}', 'user_pass' => '${EDITOR.password}', 'role' => 'editor']);
  update_option('show_avatars', 0);
  switch_theme('tests');
  // Its own widgets ask for more than the tests are about.
  update_option('sidebars_widgets', ['wp_inactive_widgets' => [], 'side' => [], 'array_version' => 3]);
  ob_end_clean();`;

const NETWORK = `
  require_once ABSPATH . 'wp-admin/includes/upgrade.php';
  require_once ABSPATH . 'wp-admin/includes/network.php';
  global $wpdb;
  update_option('home', 'http://HOST');
  update_option('siteurl', 'http://HOST');
  foreach ($wpdb->tables('ms_global') as $name => $table) $wpdb->$name = $table;
  install_network();
  populate_network(1, 'HOST', 'owner@blog.example', 'Network', '/', false);`;

// WordPress takes the colon before a port out of the address of a new site.
const SECOND_SITE = `
  global $wpdb;
  $id = wpmu_create_blog('HOST', '/two/', 'Two', 1);
  $wpdb->update($wpdb->blogs, ['domain' => 'HOST'], ['blog_id' => $id]);
  clean_blog_cache($id);
  switch_to_blog($id);
  foreach (['home', 'siteurl'] as $option) update_option($option, 'http://HOST/two');
  switch_theme('tests');
  update_option('permalink_structure', '');
  return $id;`;

// A program drives the browser here, and counts all the same.
const MU_PLUGIN = `<?php
add_filter('tally_views_count', function ($mode) { return '' === $mode ? 'always' : $mode; });
`;

const THEME_FUNCTIONS = `<?php
add_theme_support('title-tag');
add_action('widgets_init', function () {
  register_sidebar(['id' => 'side', 'name' => 'Side', 'before_widget' => '<aside class="%2$s">', 'after_widget' => '</aside>']);
});
`;

const THEME_PAGE = `<!doctype html><html <?php language_attributes(); ?>><head><?php wp_head(); ?></head><body>
<?php while (have_posts()) { the_post(); echo '<article>'; the_content(); echo '</article>'; } dynamic_sidebar('side'); wp_footer(); ?>
</body></html>
`;
