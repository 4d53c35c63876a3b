<?php
/**
 * Settings → Tally: the page, and what becomes of what is sent. The fields are in fields.php.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const PAGE = 'tally-views';

add_action( 'admin_menu', __NAMESPACE__ . '\add_page' );
add_action( 'admin_init', __NAMESPACE__ . '\register_settings' );
add_action( 'admin_init', __NAMESPACE__ . '\suggest_privacy_policy' );
add_action( 'admin_enqueue_scripts', __NAMESPACE__ . '\register_admin_script' );
add_filter( 'plugin_action_links_' . plugin_basename( MAIN ), __NAMESPACE__ . '\add_settings_link' );

/**
 * Puts the page into the menu.
 */
function add_page() {
	add_options_page( __( 'Tally', 'tally-views' ), __( 'Tally', 'tally-views' ), 'manage_options', PAGE, __NAMESPACE__ . '\print_page' );
}

/**
 * Links the page in the list of plugins.
 *
 * @param string[] $links The plugin's links.
 * @return string[]
 */
function add_settings_link( $links ) {
	$link = sprintf( '<a href="%s">%s</a>', esc_url( page_url() ), esc_html__( 'Settings', 'tally-views' ) );
	array_unshift( $links, $link );
	return $links;
}

/**
 * The address of the page.
 *
 * @return string
 */
function page_url() {
	return admin_url( 'options-general.php?page=' . PAGE );
}

/**
 * Registers the script of the plugin's screens, which talks to the REST API (rest.php).
 */
function register_admin_script() {
	wp_register_script( 'tally-views-admin', plugins_url( 'assets/admin.js', MAIN ), array( 'wp-api-fetch', 'wp-a11y', 'wp-i18n' ), version(), true );
	wp_set_script_translations( 'tally-views-admin', 'tally-views', dirname( MAIN ) . '/languages' );
}

/**
 * Tells WordPress what there is to set.
 */
function register_settings() {
	register_setting(
		PAGE,
		SETTINGS,
		array(
			'type'              => 'array',
			'sanitize_callback' => __NAMESPACE__ . '\sanitize_settings',
			'show_in_rest'      => false,
		)
	);
	add_settings_section( 'tally_views', '', '__return_null', PAGE );
	foreach ( fields() as $name => $title ) {
		$label = in_array( $name, array( 'url', 'addresses', 'place', 'mirror', 'prefix' ), true ) ? array( 'label_for' => "tally_views_$name" ) : array();
		add_settings_field( "tally_views_$name", $title, __NAMESPACE__ . "\\print_{$name}_field", PAGE, 'tally_views', $label );
	}
}

/**
 * Makes settings of what was sent. What cannot be right leaves the setting before. What is not a form's is
 * sent as it is kept, and stays so.
 *
 * @param mixed $sent What the form sent.
 * @return array The settings.
 */
function sanitize_settings( $sent ) {
	$sent   = is_array( $sent ) ? $sent : array();
	$text   = function ( $name ) use ( $sent ) {
		return isset( $sent[ $name ] ) && is_string( $sent[ $name ] ) ? trim( $sent[ $name ] ) : '';
	};
	$chosen = function ( $name, $possible ) use ( $sent ) {
		return isset( $sent[ $name ] ) && is_array( $sent[ $name ] ) ? array_values( array_intersect( $possible, $sent[ $name ] ) ) : array();
	};
	$url    = sanitize_url_setting( $text( 'url' ) );
	$home   = isset( $sent['home'] ) && is_string( $sent['home'] ) ? $sent['home'] : settings()['home'];
	// The first site that the Worker is entered on is the one that counts, unless it is known as a copy.
	$home = '' === $home && '' !== $url && ! is_copy() ? home_key() : $home;
	return array(
		'url'       => $url,
		'types'     => $chosen( 'types', array_keys( countable_types() ) ),
		'uncounted' => $chosen( 'uncounted', array_keys( wp_roles()->get_names() ) ),
		'addresses' => sanitize_addresses( isset( $sent['addresses'] ) ? $sent['addresses'] : '' ),
		'place'     => in_array( $text( 'place' ), array( 'before', 'after' ), true ) ? $text( 'place' ) : '',
		'mirror'    => sanitize_mirror( $text( 'mirror' ) ),
		'legacy'    => ! empty( $sent['legacy'] ),
		'prefix'    => sanitize_prefix( $text( 'prefix' ) ),
		'home'      => $home,
	);
}

/**
 * The address of a Worker, as it was typed.
 *
 * @param string $typed The address.
 * @return string Its origin; the one before where it cannot be a Worker's.
 */
function sanitize_url_setting( $typed ) {
	// What somebody with more rights has entered stays.
	$url = '' === $typed || settings()['url'] === $typed ? $typed : origin( $typed );
	if ( '' === $url && '' !== $typed ) {
		add_settings_error( SETTINGS, 'tally_views_url', __( 'This is not a Worker’s address. Enter one such as https://tally.you.workers.dev.', 'tally-views' ) );
		return settings()['url'];
	}
	return $url;
}

/**
 * Addresses and networks, as they were typed, one a line.
 *
 * @param mixed $typed Text, or an array as it is kept.
 * @return string[]
 */
function sanitize_addresses( $typed ) {
	$lines = is_array( $typed ) ? $typed : preg_split( '/[\s,]+/', is_string( $typed ) ? $typed : '', 101, PREG_SPLIT_NO_EMPTY );
	$kept  = array();
	foreach ( array_slice( $lines, 0, 100 ) as $line ) {
		if ( is_string( $line ) && is_in_network( (string) strtok( $line, '/' ), $line ) && preg_match( '#^[0-9a-f:.]+(/\d{1,3})?$#Di', $line ) ) {
			$kept[] = $line;
		} elseif ( is_string( $line ) ) {
			/* translators: %s: what was typed. */
			add_settings_error( SETTINGS, 'tally_views_addresses', sprintf( __( 'Not an IP address or network: %s', 'tally-views' ), $line ) );
		}
	}
	return array_values( array_unique( $kept ) );
}

/**
 * The name of a custom field, as it was typed.
 *
 * @param string $typed The name.
 * @return string
 */
function sanitize_mirror( $typed ) {
	if ( '' === $typed || ( preg_match( '/^[A-Za-z0-9_-]{1,64}$/D', $typed ) && ! is_protected_meta( $typed, 'post' ) ) ) {
		return $typed;
	}
	add_settings_error( SETTINGS, 'tally_views_mirror', __( 'A custom field’s name consists of letters, digits, hyphens and underscores, and does not start with an underscore.', 'tally-views' ) );
	return settings()['mirror'];
}

/**
 * A prefix, as it was typed. It does not end in a digit, so that it cannot be taken for a part of an ID.
 *
 * @param string $typed The prefix.
 * @return string
 */
function sanitize_prefix( $typed ) {
	if ( preg_match( '#^([a-z0-9._-]{0,39}[a-z._/-])?$#Di', $typed ) ) {
		return $typed;
	}
	add_settings_error( SETTINGS, 'tally_views_prefix', __( 'A prefix consists of up to 40 letters, digits, dots and hyphens, and ends in a slash, such as blog/.', 'tally-views' ) );
	return settings()['prefix'];
}

/**
 * Prints the page.
 */
function print_page() {
	if ( ! is_owner() ) {
		return;
	}
	wp_enqueue_script( 'tally-views-admin' );
	?>
	<div class="wrap">
		<h1><?php echo esc_html( get_admin_page_title() ); ?></h1>
		<?php
		print_unset_notice();
		print_permalinks_notice();
		?>
		<form action="options.php" method="post">
			<?php
			settings_fields( PAGE );
			do_settings_sections( PAGE );
			submit_button();
			?>
		</form>
		<h2><?php esc_html_e( 'Show the views', 'tally-views' ); ?></h2>
		<p><?php esc_html_e( 'Use the blocks “Post views” and “Most viewed posts”, the variation “Most viewed posts” of the Query Loop block, the widget, or these shortcodes:', 'tally-views' ); ?></p>
		<p><code>[tally_views]</code> <code>[tally_views post="142" label="yes"]</code></p>
		<p><code>[tally_top]</code> <code>[tally_top limit="5" period="month" views="no" thumbnail="yes" category="news"]</code></p>
		<h2><?php esc_html_e( 'Import existing views', 'tally-views' ); ?></h2>
		<p><a href="<?php echo esc_url( admin_url( 'admin.php?import=' . IMPORTER ) ); ?>"><?php esc_html_e( 'Import views counted by another plugin or by your theme', 'tally-views' ); ?></a></p>
		<?php print_clean_form(); ?>
	</div>
	<?php
}

/**
 * Says that nothing happens yet, where no Worker is set.
 */
function print_unset_notice() {
	if ( '' === worker() ) {
		print_notice( 'warning', __( 'Nothing is counted yet. Enter your Worker’s address, which `npm run deploy` printed.', 'tally-views' ) );
	}
}

/**
 * Warns of permalinks that are all of one path: with `SITE_URL`, the Worker looks for a new post at its path.
 */
function print_permalinks_notice() {
	if ( '' !== worker() && '' === get_option( 'permalink_structure' ) ) {
		print_notice( 'warning', __( 'Your permalinks are plain. If your Worker has SITE_URL set, it does not count new posts. Choose another structure under Settings → Permalinks.', 'tally-views' ) );
	}
}

/**
 * Prints a notice.
 *
 * @param string $kind `warning`, `error` or `success`.
 * @param string $text Plain text.
 */
function print_notice( $kind, $text ) {
	printf( '<div class="notice notice-%s"><p>%s</p></div>', esc_attr( $kind ), esc_html( $text ) );
}

/**
 * Offers a paragraph for the site's privacy policy.
 */
function suggest_privacy_policy() {
	$text = __( 'This site counts how often each post is viewed. When you open a post, your browser tells our counter, which runs on Cloudflare, which post that was. No cookie is set, and your address is not kept: to recognize a repeated view, a shortened hash of post, address and browser is kept for a day at most, made with a random value that is replaced and forgotten every day. If your browser asks not to be tracked, not even that hash is made.', 'tally-views' );
	$team = __( 'For logged-in members of our team, a cookie named tally_views_uncounted keeps their own views from being counted.', 'tally-views' );
	wp_add_privacy_policy_content( __( 'Tally Views', 'tally-views' ), '<p>' . esc_html( $text ) . '</p><p>' . esc_html( $team ) . '</p>' );
}
