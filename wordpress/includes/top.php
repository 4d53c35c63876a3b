<?php
/**
 * The most viewed posts, as the shortcode `[tally_top]`, as a block and as a widget
 * (class-top-widget.php).
 *
 * What the Worker tells is kept in a transient for each period, `tally_views_top_PERIOD`, for five
 * minutes, and in the option `tally_views_last_top` (an array by period) for as long as the Worker
 * tells nothing newer. Both hold numbers only: which posts may be shown, their titles and links are
 * looked up each time.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const TOP      = 'tally_views_top_';
const LAST_TOP = 'tally_views_last_top';
const PERIODS  = array( 'all', 'day', 'week', 'month' );

add_shortcode( 'tally_top', __NAMESPACE__ . '\top_shortcode' );
add_action( 'widgets_init', __NAMESPACE__ . '\register_top_widget' );
add_action( 'update_option_' . SETTINGS, __NAMESPACE__ . '\forget_other_worker', 10, 2 );

/**
 * The shortcode: `limit` is 1 to 50, `period` one of PERIODS, `views="no"` leaves the numbers out.
 *
 * @param array|string $given The attributes.
 * @return string HTML.
 */
function top_shortcode( $given ) {
	return top_html( shortcode_atts( top_defaults(), $given, 'tally_top' ) );
}

/**
 * The block.
 *
 * @param array $attributes As those of the shortcode.
 * @return string HTML.
 */
function top_block( $attributes ) {
	$html = top_html( $attributes );
	return '' === $html ? '' : sprintf( '<div %s>%s</div>', get_block_wrapper_attributes(), $html );
}

/**
 * Tells WordPress of the widget.
 */
function register_top_widget() {
	register_widget( Top_Widget::class );
}

/**
 * What is shown unless something else is asked for.
 *
 * @return array
 */
function top_defaults() {
	return array(
		'limit'  => 10,
		'period' => 'all',
		'views'  => true,
	);
}

/**
 * Options as they can be, out of anything.
 *
 * @param array $given `limit`, `period` and `views`.
 * @return array
 */
function top_options( $given ) {
	$given = wp_parse_args( $given, top_defaults() );
	return array(
		'limit'  => max( 1, min( 50, (int) $given['limit'] ) ),
		'period' => in_array( $given['period'], PERIODS, true ) ? $given['period'] : 'all',
		'views'  => is_yes( $given['views'] ),
	);
}

/**
 * What the periods are called.
 *
 * @return string[] By period.
 */
function period_names() {
	return array(
		'all'   => __( 'Since the beginning', 'tally-views' ),
		'day'   => __( 'The last 24 hours', 'tally-views' ),
		'week'  => __( 'The last 7 days', 'tally-views' ),
		'month' => __( 'The last 30 days', 'tally-views' ),
	);
}

/**
 * The list.
 *
 * @param array $given `limit`, `period` and `views`.
 * @return string HTML; empty for visitors where there is nothing to list.
 */
function top_html( $given ) {
	if ( '' === worker() ) {
		return '';
	}
	$options = top_options( $given );
	$views   = top_views( $options['period'] );
	$items   = '';
	foreach ( top_posts( array_keys( $views ), $options['limit'] ) as $post ) {
		$items .= top_item( $post, $options['views'] ? $views[ $post->ID ] : null );
	}
	if ( '' !== $items ) {
		return '<ol class="tally-top">' . $items . '</ol>';
	}
	return current_user_can( 'edit_posts' ) ? '<p class="tally-top-empty">' . esc_html__( 'No post was viewed yet.', 'tally-views' ) . '</p>' : '';
}

/**
 * One post in the list.
 *
 * @param \WP_Post $post  The post.
 * @param int|null $views Its views, null to leave them out.
 * @return string HTML.
 */
function top_item( $post, $views ) {
	$title = wp_strip_all_tags( get_the_title( $post ) );
	$title = '' === trim( $title ) ? __( '(no title)', 'tally-views' ) : $title;
	$item  = sprintf( '<a href="%s">%s</a>', esc_url( get_permalink( $post ) ), esc_html( $title ) );
	if ( null !== $views ) {
		/* translators: %s: number of views. */
		$text  = sprintf( _n( '%s view', '%s views', $views, 'tally-views' ), number_format_i18n( $views ) );
		$item .= ' <span class="tally-top-views">' . esc_html( $text ) . '</span>';
	}
	return '<li>' . $item . '</li>';
}

/**
 * Those of the posts that everybody may see, in the same order, in one query.
 *
 * @param int[] $ids   IDs, which may be anything's.
 * @param int   $limit The most posts.
 * @return \WP_Post[]
 */
function top_posts( $ids, $limit ) {
	if ( ! $ids ) {
		return array();
	}
	/**
	 * Filters which types of posts are listed among the most viewed.
	 *
	 * @param string[] $types Names of post types; those that are counted, without pages.
	 */
	$types = (array) apply_filters( 'tally_views_top_post_types', array_diff( post_types(), array( 'page' ) ) );
	$query = new \WP_Query(
		array(
			'post__in'               => $ids,
			'orderby'                => 'post__in',
			'posts_per_page'         => $limit,
			'post_type'              => array_values( $types ),
			'post_status'            => 'publish',
			'has_password'           => false,
			'ignore_sticky_posts'    => true,
			'no_found_rows'          => true,
			'update_post_meta_cache' => false,
		)
	);
	return $query->posts;
}

/**
 * The views of the most viewed posts, from the transient or from the Worker.
 *
 * @param string $period One of PERIODS.
 * @return int[] The views by ID, the greatest first.
 */
function top_views( $period ) {
	$kept = get_transient( TOP . $period );
	if ( is_array( $kept ) ) {
		return $kept;
	}
	$last = get_option( LAST_TOP, array() );
	$last = is_array( $last ) ? $last : array();
	$kept = isset( $last[ $period ] ) ? $last[ $period ] : array();
	// While the Worker is asked, and for a minute where it does not answer, nobody else asks it.
	set_transient( TOP . $period, $kept, MINUTE_IN_SECONDS );
	$views = read_top( $period );
	if ( is_wp_error( $views ) ) {
		return $kept;
	}
	set_transient( TOP . $period, $views, 5 * MINUTE_IN_SECONDS );
	update_option( LAST_TOP, array( $period => $views ) + $last, false );
	return $views;
}

/**
 * Forgets the lists of a Worker that is no longer asked.
 *
 * @param array $before The settings before.
 * @param array $after  The settings now.
 */
function forget_other_worker( $before, $after ) {
	if ( ! isset( $before['url'] ) || $before['url'] !== $after['url'] ) {
		forget_top();
	}
}

/**
 * Forgets all lists.
 */
function forget_top() {
	foreach ( PERIODS as $period ) {
		delete_transient( TOP . $period );
	}
	delete_option( LAST_TOP );
}
