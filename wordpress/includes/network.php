<?php
/**
 * Networks of sites: one Worker for all of them, which the network's owner enters (the network's option
 * `tally_views_network`, the Worker's origin), unless a site has its own. Each site but the main one has its
 * ID as the prefix of its posts, so that none shows another's numbers.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const NETWORK = 'tally_views_network';

add_action( 'network_admin_menu', __NAMESPACE__ . '\add_network_page' );
add_action( 'network_admin_edit_tally_views', __NAMESPACE__ . '\save_network' );

/**
 * The Worker of the network.
 *
 * @return string Its origin; empty where there is none.
 */
function network_worker() {
	return is_multisite() ? (string) get_site_option( NETWORK, '' ) : '';
}

/**
 * The prefix of a site that has set none.
 *
 * @return string
 */
function site_prefix() {
	return is_multisite() && ! is_main_site() ? get_current_blog_id() . '/' : '';
}

/**
 * Puts the page into the menu of the network.
 */
function add_network_page() {
	add_submenu_page( 'settings.php', __( 'Tally', 'tally-views' ), __( 'Tally', 'tally-views' ), 'manage_network_options', PAGE, __NAMESPACE__ . '\print_network_page' );
}

/**
 * Prints the page.
 */
function print_network_page() {
	?>
	<div class="wrap">
		<h1><?php echo esc_html( get_admin_page_title() ); ?></h1>
		<form action="edit.php?action=tally_views" method="post">
			<?php wp_nonce_field( 'tally_views_network' ); ?>
			<table class="form-table" role="presentation"><tr>
				<th scope="row"><label for="tally_views_network"><?php esc_html_e( 'Address of the Worker', 'tally-views' ); ?></label></th>
				<td>
					<input type="text" inputmode="url" class="regular-text code" id="tally_views_network" name="url" value="<?php echo esc_attr( network_worker() ); ?>" placeholder="https://tally.you.workers.dev" aria-describedby="tally_views_network_help">
					<p class="description" id="tally_views_network_help"><?php esc_html_e( 'Used by every site that has no Worker of its own. Each site’s ID is its prefix, such as 2/, which keeps the sites’ numbers apart. To get complete lists for a day, week or month, add the prefixes to the Worker’s LISTS setting.', 'tally-views' ); ?></p>
				</td>
			</tr></table>
			<?php submit_button(); ?>
		</form>
	</div>
	<?php
}

/**
 * Keeps what the page's form has sent.
 */
function save_network() {
	check_admin_referer( 'tally_views_network' );
	if ( ! current_user_can( 'manage_network_options' ) ) {
		wp_die( esc_html__( 'Sorry, you are not allowed to do that.', 'tally-views' ), 403 );
	}
	$typed = isset( $_POST['url'] ) ? sanitize_text_field( wp_unslash( $_POST['url'] ) ) : '';
	$url   = '' === $typed ? '' : origin( $typed );
	if ( '' !== $url || '' === $typed ) {
		update_site_option( NETWORK, $url );
	}
	wp_safe_redirect( network_admin_url( 'settings.php?page=' . PAGE ) );
	exit;
}
