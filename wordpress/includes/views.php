<?php
/**
 * The views of a post, as the shortcode `[tally_views]` and as a block: a placeholder that the
 * Worker's script fills in, so that a page in a cache shows the number of now.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

add_shortcode( 'tally_views', __NAMESPACE__ . '\views_shortcode' );
add_filter( 'the_content', __NAMESPACE__ . '\place_views', 20 );

/**
 * The shortcode: `post`, an ID, is the current post where it is left out; `label="yes"` puts
 * "Views:" before the number.
 *
 * @param array|string $given The attributes.
 * @return string HTML.
 */
function views_shortcode( $given ) {
	$attributes = shortcode_atts(
		array(
			'post'  => '',
			'label' => 'no',
		),
		$given,
		'tally_views'
	);
	return views_html( $attributes['post'], is_yes( $attributes['label'] ) );
}

/**
 * The block.
 *
 * @param array     $attributes `post`, empty for the current one, and `label`.
 * @param string    $content    Nothing.
 * @param \WP_Block $block      The block, which knows the post of the loop around it.
 * @return string HTML.
 */
function views_block( $attributes, $content, $block ) {
	$post = '' === $attributes['post'] && isset( $block->context['postId'] ) ? $block->context['postId'] : $attributes['post'];
	$html = views_html( (string) $post, $attributes['label'] );
	return '' === $html ? '' : sprintf( '<div %s>%s</div>', get_block_wrapper_attributes(), $html );
}

/**
 * The views of a post, to be filled in by the script. The editor, where no script runs, shows those that
 * are known.
 *
 * @param string $post  The post's ID, empty for the current one.
 * @param bool   $label Whether to say that these are views.
 * @return string HTML; empty where there is no such post, no Worker or no script.
 */
function views_html( $post, $label ) {
	$post = '' === $post ? (string) get_the_ID() : $post;
	if ( '' === worker() || is_feed() || ! is_id( $post ) || ! may_show( (int) $post ) ) {
		return '';
	}
	enqueue_script();
	$known  = is_editing() ? known_views( (int) $post ) : null;
	$number = sprintf( '<span class="tally-views" data-views="%s">%s</span>', esc_attr( $post ), null === $known ? '–' : esc_html( number_format_i18n( $known ) ) );
	if ( ! $label ) {
		return $number;
	}
	/* translators: %s: the number of views of a post. */
	return sprintf( '<span class="tally-views-label">%s</span>', sprintf( esc_html__( 'Views: %s', 'tally-views' ), $number ) );
}

/**
 * Whether there is such a post, and the visitor may know of it.
 *
 * @param int $id The post's ID.
 * @return bool
 */
function may_show( $id ) {
	$post = get_post( $id );
	return $post && ( is_post_publicly_viewable( $post ) || current_user_can( 'read_post', $id ) );
}

/**
 * Puts the views before or after the content of single posts, where the owner wants that.
 *
 * @param string $content The content.
 * @return string
 */
function place_views( $content ) {
	$place = settings()['place'];
	if ( '' === $place || ! in_the_loop() || ! is_main_query() || ! viewed_post() || get_the_ID() !== viewed_post() ) {
		return $content;
	}
	$views = views_html( '', true );
	$views = '' === $views ? '' : '<p class="tally-views-placed">' . $views . '</p>';
	return 'before' === $place ? $views . $content : $content . $views;
}

/**
 * Reads a switch as people write it.
 *
 * @param mixed $value `yes`, `1`, `true`, `on` or true; anything else is no.
 * @return bool
 */
function is_yes( $value ) {
	return filter_var( $value, FILTER_VALIDATE_BOOLEAN );
}
