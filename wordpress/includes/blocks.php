<?php
/**
 * The two blocks, "Post views" and "Most viewed posts", which the server renders (views.php,
 * top.php) and `blocks/editor.js` shows in the editor.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

/** The editor's script, which both `block.json` name. */
const EDITOR_SCRIPT = 'tally-views-editor';
/** The style of the lists, which `block.json` names too. */
const STYLE = 'tally-views';

add_action( 'init', __NAMESPACE__ . '\register_blocks' );
add_filter( 'widget_types_to_hide_from_legacy_widget_block', __NAMESPACE__ . '\hide_widget' );

/**
 * Tells WordPress of the blocks.
 */
function register_blocks() {
	$root = dirname( __DIR__ );
	wp_register_style( STYLE, plugins_url( 'assets/tally.css', MAIN ), array(), version() );
	$uses = array( 'wp-block-editor', 'wp-blocks', 'wp-components', 'wp-element', 'wp-i18n', 'wp-server-side-render' );
	wp_register_script( EDITOR_SCRIPT, plugins_url( 'blocks/editor.js', __DIR__ ), $uses, (string) filemtime( $root . '/blocks/editor.js' ), true );
	wp_set_script_translations( EDITOR_SCRIPT, 'tally-views', $root . '/languages' );
	register_block_type( $root . '/blocks/views', array( 'render_callback' => __NAMESPACE__ . '\views_block' ) );
	register_block_type( $root . '/blocks/top', array( 'render_callback' => __NAMESPACE__ . '\top_block' ) );
}

/**
 * Where widgets are blocks, the block is offered and not the widget too.
 *
 * @param string[] $hidden The widgets that are not offered.
 * @return string[]
 */
function hide_widget( $hidden ) {
	return array_merge( $hidden, array( 'tally_top' ) );
}
