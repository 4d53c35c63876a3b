<?php
/**
 * Takes the plugin's shortcodes and blocks out of all posts, for an owner who is about to delete the plugin:
 * a shortcode that nobody knows is shown as it is written. A post keeps a revision of what it was.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

/** How many posts are changed at a time. */
const CLEAN_BATCH = 50;

add_action( 'admin_post_tally_views_clean', __NAMESPACE__ . '\clean_sent' );

/**
 * The posts that hold a shortcode or a block of the plugin, and change when they are cleaned.
 *
 * @param int $limit The most posts.
 * @return int[] IDs.
 */
function posts_to_clean( $limit ) {
	global $wpdb;
	$places = array();
	foreach ( array( '[tally_views', '[tally_top', '<!-- wp:tally-views/' ) as $text ) {
		$places[] = $wpdb->prepare( 'post_content LIKE %s', '%' . $wpdb->esc_like( $text ) . '%' );
	}
	$found  = array();
	$cursor = 0;
	do {
		// phpcs:ignore WordPress.DB -- prepared above; WP_Query cannot search for markup.
		$rows = $wpdb->get_results( "SELECT ID, post_content FROM $wpdb->posts WHERE ID > $cursor AND post_type <> 'revision' AND post_status <> 'auto-draft' AND (" . implode( ' OR ', $places ) . ') ORDER BY ID LIMIT ' . CLEAN_BATCH );
		foreach ( $rows as $row ) {
			$cursor = (int) $row->ID;
			if ( cleaned( $row->post_content ) !== $row->post_content ) {
				$found[] = $cursor;
			}
		}
		$is_full = CLEAN_BATCH === count( $rows );
		$is_done = count( $found ) >= $limit;
	} while ( $is_full && ! $is_done );
	return array_slice( $found, 0, $limit );
}

/**
 * A text without the plugin's shortcodes and blocks. What stands in a tag or a comment stays: a shortcode that
 * begins in one attribute and ends in another would leave other attributes behind.
 *
 * @param string $content The text.
 * @return string
 */
function cleaned( $content ) {
	$blocks = array(
		'#<!-- wp:shortcode -->\s*\[tally_(?:views|top)(?:\s[^\]<>]*)?\]\s*<!-- /wp:shortcode -->\s*#',
		'#<!-- wp:tally-views/(?:views|top) (?:/|\{(?:[^-]++|-(?!->))*+(?<=\} /))-->\s*#',
	);
	$ours   = function () {
		return array( 'tally_views', 'tally_top' );
	};
	add_filter( 'strip_shortcodes_tagnames', $ours, PHP_INT_MAX );
	$text = strip_shortcodes( (string) preg_replace( $blocks, '', $content ) );
	remove_filter( 'strip_shortcodes_tagnames', $ours, PHP_INT_MAX );
	// A text that is too much for PHP's patterns stays as it is.
	return PREG_NO_ERROR === preg_last_error() ? $text : $content;
}

/**
 * Cleans some posts, as the form asks, and goes back to the settings.
 */
function clean_sent() {
	check_admin_referer( 'tally_views_clean' );
	if ( ! is_owner() || ! current_user_can( 'edit_others_posts' ) ) {
		wp_die( esc_html__( 'Sorry, you are not allowed to do that.', 'tally-views' ), 403 );
	}
	// The texts were cleaned for their authors, and only lose shortcodes. A post may become empty.
	kses_remove_filters();
	add_filter( 'wp_insert_post_empty_content', '__return_false' );
	foreach ( posts_to_clean( CLEAN_BATCH ) as $id ) {
		$post = array(
			'ID'           => $id,
			'post_content' => cleaned( get_post( $id )->post_content ),
		);
		wp_update_post( wp_slash( $post ) );
	}
	remove_filter( 'wp_insert_post_empty_content', '__return_false' );
	kses_init();
	wp_safe_redirect( page_url() . '#tally-views-clean' );
	exit;
}

/**
 * Prints what to do before the plugin is deleted.
 */
function print_clean_form() {
	$found = count( posts_to_clean( 1000 ) );
	printf( '<h2 id="tally-views-clean">%s</h2>', esc_html__( 'Before you delete the plugin', 'tally-views' ) );
	if ( ! $found ) {
		printf( '<p>%s</p>', esc_html__( 'No post contains a Tally shortcode or block.', 'tally-views' ) );
		return;
	}
	/* translators: %s: number of posts. */
	$text = sprintf( _n( '%s post contains Tally shortcodes or blocks. Without the plugin, visitors would see the shortcodes as text.', '%s posts contain Tally shortcodes or blocks. Without the plugin, visitors would see the shortcodes as text.', $found, 'tally-views' ), number_format_i18n( $found ) );
	$some = min( $found, CLEAN_BATCH );
	/* translators: %s: number of posts. */
	$button = sprintf( _n( 'Remove them from %s post', 'Remove them from %s posts', $some, 'tally-views' ), number_format_i18n( $some ) );
	?>
	<p><?php echo esc_html( $text ); ?></p>
	<form action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>" method="post">
		<input type="hidden" name="action" value="tally_views_clean"><?php wp_nonce_field( 'tally_views_clean' ); ?>
		<button class="button"><?php echo esc_html( $button ); ?></button>
		<p class="description"><?php esc_html_e( 'Each post keeps a revision with its previous content.', 'tally-views' ); ?></p>
	</form>
	<?php
}
