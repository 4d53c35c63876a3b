<?php
/**
 * Who is not counted, and where.
 *
 * Roles and addresses: a page may come from a cache that knows no users, so it is the same for all, and
 * the browser of one who is not counted has the cookie `tally_views_uncounted`, which the script heeds.
 * It is set as a user logs in, or wherever PHP meets one, and is gone when he has logged out. Nobody else
 * gets a cookie.
 *
 * Copies of the site: one that is known as another environment than production, or that is at another
 * address, does not count until its owner says so.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const UNCOUNTED = 'tally_views_uncounted';

add_action( 'set_logged_in_cookie', __NAMESPACE__ . '\mark_user', 10, 4 );
add_action( 'clear_auth_cookie', __NAMESPACE__ . '\unmark' );
add_action( 'init', __NAMESPACE__ . '\correct_mark' );
add_action( 'admin_notices', __NAMESPACE__ . '\print_copy_notice' );
add_action( 'admin_post_tally_views_count_here', __NAMESPACE__ . '\count_here' );

/**
 * Whether the views of a user are counted.
 *
 * @param \WP_User $user The user, who may have no account.
 * @return bool
 */
function is_counted_user( $user ) {
	$roles = $user->roles;
	// A network's administrators need no role on its sites.
	if ( is_multisite() && is_super_admin( $user->ID ) ) {
		$roles[] = 'administrator';
	}
	return ! array_intersect( $roles, settings()['uncounted'] );
}

/**
 * Whether views from an address are counted.
 *
 * @param string $address An address of IPv4 or IPv6.
 * @return bool
 */
function is_counted_address( $address ) {
	foreach ( settings()['addresses'] as $network ) {
		if ( is_in_network( $address, $network ) ) {
			return false;
		}
	}
	return true;
}

/**
 * Whether an address is in a network.
 *
 * @param string $address An address.
 * @param string $network An address, or a network such as `192.0.2.0/24`.
 * @return bool
 */
function is_in_network( $address, $network ) {
	list( $base, $length ) = explode( '/', $network, 2 ) + array( 1 => '' );
	$address               = filter_var( $address, FILTER_VALIDATE_IP ) ? inet_pton( $address ) : '';
	$base                  = filter_var( $base, FILTER_VALIDATE_IP ) ? inet_pton( $base ) : '';
	if ( '' === $address || '' === $base || strlen( $address ) !== strlen( $base ) ) {
		return false;
	}
	$bits = '' === $length ? 8 * strlen( $base ) : min( (int) $length, 8 * strlen( $base ) );
	$mask = str_repeat( "\xff", intdiv( $bits, 8 ) ) . ( $bits % 8 ? chr( 0xff << ( 8 - $bits % 8 ) & 0xff ) : '' );
	return ( $address & $mask ) === ( $base & $mask );
}

/**
 * Marks the browser of one who logs in and is not counted.
 *
 * @param string $cookie     The cookie that WordPress sets.
 * @param int    $expire     When that ends; 0: with the browser.
 * @param int    $expiration When the login ends.
 * @param int    $user       The user's ID.
 */
function mark_user( $cookie, $expire, $expiration, $user ) {
	if ( is_counted_user( get_userdata( $user ) ) ) {
		unmark();
	} else {
		mark( $expire );
	}
}

/**
 * Marks a browser, or takes the mark from it, where that is not as it should be.
 */
function correct_mark() {
	if ( '' === worker() || headers_sent() || wp_doing_cron() || ( defined( 'WP_CLI' ) && WP_CLI ) ) {
		return;
	}
	$address    = isset( $_SERVER['REMOTE_ADDR'] ) ? sanitize_text_field( wp_unslash( $_SERVER['REMOTE_ADDR'] ) ) : '';
	$is_counted = is_counted_user( wp_get_current_user() ) && is_counted_address( $address );
	$is_marked  = isset( $_COOKIE[ UNCOUNTED ] );
	if ( $is_counted && $is_marked ) {
		unmark();
	} elseif ( ! $is_counted && ! $is_marked ) {
		mark( 0 );
	}
}

/**
 * Marks the browser.
 *
 * @param int $expire When the mark ends; 0: with the browser.
 */
function mark( $expire ) {
	send_mark( '1', $expire );
}

/**
 * Takes the mark from the browser.
 */
function unmark() {
	send_mark( '', time() - YEAR_IN_SECONDS );
}

/**
 * Sends the cookie, which the script can read.
 *
 * @param string $value  Its value.
 * @param int    $expire When it ends.
 */
function send_mark( $value, $expire ) {
	if ( headers_sent() ) {
		return;
	}
	$options = array(
		'expires'  => $expire,
		'path'     => COOKIEPATH ? COOKIEPATH : '/',
		'domain'   => COOKIE_DOMAIN ? COOKIE_DOMAIN : '',
		'secure'   => is_ssl(),
		'httponly' => false,
		'samesite' => 'Lax',
	);
	setcookie( UNCOUNTED, $value, $options );
}

/**
 * What tells this site from its copies: the address and the environment.
 *
 * @return string
 */
function home_key() {
	return wp_get_environment_type() . ' ' . preg_replace( '#^[a-z]+://(www\.)?#', '', untrailingslashit( get_option( 'home' ) ) );
}

/**
 * Whether this is a copy of the site that counts.
 *
 * @return bool
 */
function is_copy() {
	$home = settings()['home'];
	return '' === $home ? 'production' !== wp_get_environment_type() : home_key() !== $home;
}

/**
 * Says that a copy of the site does not count.
 */
function print_copy_notice() {
	if ( '' === worker() || ! is_owner() || ! is_copy() ) {
		return;
	}
	?>
	<div class="notice notice-warning tally-views-copy"><form action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>" method="post">
		<p><?php esc_html_e( 'Tally does not count views here, because this looks like a copy of your site: its address or environment has changed. Numbers are still shown.', 'tally-views' ); ?></p>
		<p><input type="hidden" name="action" value="tally_views_count_here"><?php wp_nonce_field( 'tally_views_count_here' ); ?>
		<button class="button"><?php esc_html_e( 'Count views here', 'tally-views' ); ?></button></p>
	</form></div>
	<?php
}

/**
 * Has this site count, as its owner says.
 */
function count_here() {
	check_admin_referer( 'tally_views_count_here' );
	if ( ! is_owner() ) {
		wp_die( esc_html__( 'Sorry, you are not allowed to do that.', 'tally-views' ), 403 );
	}
	update_option( SETTINGS, array( 'home' => home_key() ) + settings() );
	wp_safe_redirect( wp_get_referer() ? wp_get_referer() : admin_url() );
	exit;
}
