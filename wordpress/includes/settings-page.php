<?php
/**
 * Settings → Tally: the form of the settings, and whether the Worker answers.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const PAGE = 'tally-views';

add_action( 'admin_menu', __NAMESPACE__ . '\add_page' );
add_action( 'admin_init', __NAMESPACE__ . '\register_settings' );
add_action( 'admin_init', __NAMESPACE__ . '\suggest_privacy_policy' );
add_filter( 'plugin_action_links_tally-views/tally-views.php', __NAMESPACE__ . '\add_settings_link' );

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
	add_settings_field( 'tally_views_url', __( 'Address of the Worker', 'tally-views' ), __NAMESPACE__ . '\print_url_field', PAGE, 'tally_views', array( 'label_for' => 'tally_views_url' ) );
	add_settings_field( 'tally_views_status', __( 'Connection', 'tally-views' ), __NAMESPACE__ . '\print_status', PAGE, 'tally_views' );
	add_settings_field( 'tally_views_uncounted', __( 'Not counted', 'tally-views' ), __NAMESPACE__ . '\print_roles_field', PAGE, 'tally_views' );
}

/**
 * Makes settings of what was sent. An address that cannot be right leaves the one before.
 *
 * @param mixed $sent What the form sent.
 * @return array The settings.
 */
function sanitize_settings( $sent ) {
	$sent      = is_array( $sent ) ? $sent : array();
	$typed     = isset( $sent['url'] ) && is_string( $sent['url'] ) ? trim( $sent['url'] ) : '';
	$uncounted = isset( $sent['uncounted'] ) && is_array( $sent['uncounted'] ) ? $sent['uncounted'] : array();
	$url       = '' === $typed ? '' : origin( $typed );
	if ( '' === $url && '' !== $typed ) {
		add_settings_error( SETTINGS, 'tally_views_url', __( 'This is not the address of a Worker. It starts with https:// and a host, such as https://tally.you.workers.dev.', 'tally-views' ) );
		$url = worker();
	}
	return array(
		'url'       => $url,
		'uncounted' => array_values( array_intersect( array_keys( wp_roles()->get_names() ), $uncounted ) ),
	);
}

/**
 * Prints the page.
 */
function print_page() {
	if ( ! current_user_can( 'manage_options' ) ) {
		return;
	}
	?>
	<div class="wrap">
		<h1><?php echo esc_html( get_admin_page_title() ); ?></h1>
		<?php print_unset_notice(); ?>
		<form action="options.php" method="post">
			<?php
			settings_fields( PAGE );
			do_settings_sections( PAGE );
			submit_button();
			?>
		</form>
		<h2><?php esc_html_e( 'Show the views', 'tally-views' ); ?></h2>
		<p><?php esc_html_e( 'There are two blocks, “Post views” and “Most viewed posts”, a widget, and two shortcodes:', 'tally-views' ); ?></p>
		<p><code>[tally_views]</code> <code>[tally_views post="142" label="yes"]</code></p>
		<p><code>[tally_top]</code> <code>[tally_top limit="5" period="month" views="no"]</code></p>
		<h2><?php esc_html_e( 'Take over old views', 'tally-views' ); ?></h2>
		<p><a href="<?php echo esc_url( admin_url( 'admin.php?import=' . IMPORTER ) ); ?>"><?php esc_html_e( 'Import the views that another plugin or the theme has counted', 'tally-views' ); ?></a></p>
	</div>
	<?php
}

/**
 * Says that nothing happens yet, where no Worker is set.
 */
function print_unset_notice() {
	if ( '' === worker() ) {
		print_notice( 'warning', __( 'Nothing is counted yet: enter the address of your Worker, which `npm run deploy` printed.', 'tally-views' ) );
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
 * Prints the field of the Worker's address.
 */
function print_url_field() {
	printf(
		'<input type="text" inputmode="url" class="regular-text code" id="tally_views_url" name="%s[url]" value="%s" placeholder="https://tally.you.workers.dev">',
		esc_attr( SETTINGS ),
		esc_attr( worker() )
	);
}

/**
 * Prints whether the Worker answers.
 */
function print_status() {
	if ( '' === worker() ) {
		esc_html_e( 'No Worker is set.', 'tally-views' );
		return;
	}
	$stats = read_stats();
	if ( is_wp_error( $stats ) ) {
		/* translators: %s: what went wrong. */
		$text = sprintf( __( 'The Worker does not answer: %s', 'tally-views' ), $stats->get_error_message() );
		printf( '<span class="tally-views-status" style="color:#b32d2e">%s</span>', esc_html( $text ) );
		return;
	}
	$text = sprintf(
		/* translators: 1: number of views, 2: number of posts. */
		__( 'The Worker answers. Views: %1$s, posts: %2$s.', 'tally-views' ),
		number_format_i18n( $stats['views'] ),
		number_format_i18n( $stats['posts'] )
	);
	printf( '<span class="tally-views-status">%s</span>', esc_html( $text ) );
}

/**
 * Prints a box for each role.
 */
function print_roles_field() {
	$uncounted = settings()['uncounted'];
	echo '<fieldset>';
	printf( '<legend class="screen-reader-text">%s</legend>', esc_html__( 'Not counted', 'tally-views' ) );
	foreach ( wp_roles()->get_names() as $role => $name ) {
		printf(
			'<label><input type="checkbox" name="%s[uncounted][]" value="%s"%s> %s</label><br>',
			esc_attr( SETTINGS ),
			esc_attr( $role ),
			checked( in_array( $role, $uncounted, true ), true, false ),
			esc_html( translate_user_role( $name ) )
		);
	}
	printf( '<p class="description">%s</p>', esc_html__( 'Views of logged-in users with one of these roles are not counted.', 'tally-views' ) );
	echo '</fieldset>';
}

/**
 * Offers a paragraph for the site's privacy policy.
 */
function suggest_privacy_policy() {
	$text = __( 'This site counts how often each post is viewed. When you open a post, your browser tells our counter, which runs on Cloudflare, which post that was. No cookie is set, and your address is not kept: to recognize a repeated view, a shortened hash of post, address and browser is kept for a day at most, made with a random value that is replaced and forgotten every day. If your browser asks not to be tracked, not even that is made.', 'tally-views' );
	wp_add_privacy_policy_content( __( 'Tally Views', 'tally-views' ), '<p>' . esc_html( $text ) . '</p>' );
}
