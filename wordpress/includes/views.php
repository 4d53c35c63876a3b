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
 * The views of a post, to be filled in by the script.
 *
 * @param string $post  The post's ID, empty for the current one.
 * @param bool   $label Whether to say that these are views.
 * @return string HTML; empty where there is no post, no Worker or no script.
 */
function views_html( $post, $label ) {
	$post = '' === $post ? (string) get_the_ID() : $post;
	if ( '' === worker() || is_feed() || ! is_id( $post ) ) {
		return '';
	}
	enqueue_script();
	$number = sprintf( '<span class="tally-views" data-views="%s">–</span>', esc_attr( $post ) );
	if ( ! $label ) {
		return $number;
	}
	/* translators: %s: the number of views of a post. */
	return sprintf( '<span class="tally-views-label">%s</span>', sprintf( esc_html__( 'Views: %s', 'tally-views' ), $number ) );
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
