<?php
/**
 * The most viewed posts, as the shortcode `[tally_top]`, as a block and as a widget
 * (class-top-widget.php). The page shows the list as it was told last (kept.php); where that is too old
 * by the time that the page is seen, `assets/lists.js` fetches a newer one.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const LISTS_SCRIPT = 'tally-views-lists';

add_shortcode( 'tally_top', __NAMESPACE__ . '\top_shortcode' );
add_action( 'widgets_init', __NAMESPACE__ . '\register_top_widget' );

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
		'limit'     => 10,
		'period'    => 'all',
		'views'     => true,
		'thumbnail' => false,
		'author'    => false,
		'type'      => '',
		'category'  => '',
	);
}

/**
 * Options as they can be, out of anything.
 *
 * @param array|string $given Those of top_defaults().
 * @return array
 */
function top_options( $given ) {
	$given = wp_parse_args( $given, top_defaults() );
	$text  = function ( $value ) {
		return is_scalar( $value ) ? sanitize_title( (string) $value ) : '';
	};
	return array(
		'limit'     => is_scalar( $given['limit'] ) ? max( 1, min( 50, (int) $given['limit'] ) ) : 10,
		'period'    => in_array( $given['period'], PERIODS, true ) ? $given['period'] : 'all',
		'views'     => is_yes( $given['views'] ),
		'thumbnail' => is_yes( $given['thumbnail'] ),
		'author'    => is_yes( $given['author'] ),
		'type'      => $text( $given['type'] ),
		'category'  => $text( $given['category'] ),
	);
}

/**
 * What the periods are called.
 *
 * @return string[] By period.
 */
function period_names() {
	return array(
		'all'   => __( 'All time', 'tally-views' ),
		'day'   => __( 'Last 24 hours', 'tally-views' ),
		'week'  => __( 'Last 7 days', 'tally-views' ),
		'month' => __( 'Last 30 days', 'tally-views' ),
	);
}

/**
 * The list.
 *
 * @param array $given The options.
 * @return string HTML; a hidden list where there is nothing to list yet.
 */
function top_html( $given ) {
	if ( '' === worker() || is_feed() ) {
		return '';
	}
	$options = top_options( $given );
	$kept    = kept_top( $options['period'] );
	$items   = top_items( $options, $kept['views'] );
	if ( '' === $items && is_editing() ) {
		return '<p class="tally-top-empty">' . esc_html__( 'No posts have been viewed yet.', 'tally-views' ) . '</p>';
	}
	wp_enqueue_style( STYLE );
	enqueue_lists_script();
	return sprintf(
		'<ol class="tally-top"%s data-tally-until="%d" data-tally-list="%s">%s</ol>',
		'' === $items ? ' hidden' : '',
		fresh_until( $kept ),
		esc_attr( http_build_query( array_map( 'strval', array_diff_assoc( $options, top_defaults() ) ), '', '&' ) ),
		$items
	);
}

/**
 * Loads the script that fetches newer lists. Only here does it learn from where: authors may write its
 * attributes into their posts, and it trusts the HTML that it gets.
 */
function enqueue_lists_script() {
	if ( wp_script_is( LISTS_SCRIPT ) ) {
		return;
	}
	wp_enqueue_script( LISTS_SCRIPT, plugins_url( 'assets/lists.js', MAIN ), array(), version(), true );
	wp_add_inline_script( LISTS_SCRIPT, 'var tallyViewsLists = ' . wp_json_encode( rest_url( API . '/top' ), JSON_HEX_TAG ) . ';', 'before' );
}

/**
 * Whether the HTML is for the editor, where what is not there is explained.
 *
 * @return bool
 */
function is_editing() {
	return current_user_can( 'edit_posts' ) && ( is_admin() || ( defined( 'REST_REQUEST' ) && REST_REQUEST ) );
}

/**
 * The posts of the list.
 *
 * @param array $options What top_options() answers.
 * @param int[] $views   The views by ID, the greatest first.
 * @return string HTML; empty where there is nothing to list.
 */
function top_items( $options, $views ) {
	$items = '';
	foreach ( top_posts( array_keys( $views ), $options ) as $post ) {
		$items .= top_item( $post, $views[ $post->ID ], $options );
	}
	return $items;
}

/**
 * One post in the list.
 *
 * @param \WP_Post $post    The post.
 * @param int      $views   Its views.
 * @param array    $options What top_options() answers.
 * @return string HTML.
 */
function top_item( $post, $views, $options ) {
	$title = wp_strip_all_tags( get_the_title( $post ) );
	$title = '' === trim( $title ) ? __( '(no title)', 'tally-views' ) : $title;
	// The picture is beside the title, so it says nothing by itself.
	$item  = $options['thumbnail'] ? get_the_post_thumbnail( $post, 'thumbnail', array( 'alt' => '' ) ) : '';
	$item .= sprintf( '<a href="%s">%s</a>', esc_url( get_permalink( $post ) ), esc_html( $title ) );
	if ( $options['author'] ) {
		/* translators: %s: the name of a post's author. */
		$text  = sprintf( __( 'by %s', 'tally-views' ), get_the_author_meta( 'display_name', $post->post_author ) );
		$item .= ' <span class="tally-top-author">' . esc_html( $text ) . '</span>';
	}
	if ( $options['views'] ) {
		/* translators: %s: number of views. */
		$text  = sprintf( _n( '%s view', '%s views', $views, 'tally-views' ), number_format_i18n( $views ) );
		$item .= ' <span class="tally-top-views">' . esc_html( $text ) . '</span>';
	}
	return '<li class="tally-top-item">' . $item . '</li>';
}

/**
 * Those of the posts that everybody may see, in the same order, in one query.
 *
 * @param int[] $ids     IDs, which may be anything's.
 * @param array $options What top_options() answers.
 * @return \WP_Post[]
 */
function top_posts( $ids, $options ) {
	/**
	 * Filters which types of posts are listed among the most viewed.
	 *
	 * @param string[] $types Names of post types; those that are counted, without pages.
	 */
	$types = (array) apply_filters( 'tally_views_top_post_types', array_diff( post_types(), array( 'page' ) ) );
	if ( '' !== $options['type'] ) {
		$types = array_intersect( post_types(), array( $options['type'] ) );
	}
	if ( ! $ids || ! $types ) {
		return array();
	}
	$query = new \WP_Query(
		array(
			'post__in'               => $ids,
			'orderby'                => 'post__in',
			'posts_per_page'         => $options['limit'],
			'post_type'              => array_values( $types ),
			'post_status'            => 'publish',
			'has_password'           => false,
			'category_name'          => $options['category'],
			'ignore_sticky_posts'    => true,
			'no_found_rows'          => true,
			'update_post_meta_cache' => $options['thumbnail'],
		)
	);
	return $query->posts;
}
