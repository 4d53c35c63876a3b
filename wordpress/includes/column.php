<?php
/**
 * The column "Views" in the lists of posts and pages. The first row asks the Worker for all posts of
 * the screen at once, a hundred in a request.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const COLUMN = 'tally_views';

add_action( 'admin_init', __NAMESPACE__ . '\add_columns' );
add_action( 'admin_head-edit.php', __NAMESPACE__ . '\print_column_style' );

/**
 * Adds the column to the lists of the types that are counted.
 */
function add_columns() {
	if ( '' === worker() ) {
		return;
	}
	foreach ( post_types() as $type ) {
		add_filter( "manage_{$type}_posts_columns", __NAMESPACE__ . '\add_column' );
		add_action( "manage_{$type}_posts_custom_column", __NAMESPACE__ . '\print_cell', 10, 2 );
	}
}

/**
 * Adds the column to a list.
 *
 * @param string[] $columns The columns' names.
 * @return string[]
 */
function add_column( $columns ) {
	$columns[ COLUMN ] = __( 'Views', 'tally-views' );
	return $columns;
}

/**
 * Keeps the column as narrow as its numbers.
 */
function print_column_style() {
	echo '<style>.fixed .column-' . esc_attr( COLUMN ) . ' { width: 6em; }</style>';
}

/**
 * Prints a post's views, a dash where the Worker does not tell them.
 *
 * @param string $column The column.
 * @param int    $post   The post's ID.
 */
function print_cell( $column, $post ) {
	if ( COLUMN !== $column ) {
		return;
	}
	$views = listed_views( (int) $post );
	echo null === $views ? '–' : esc_html( number_format_i18n( $views ) );
}

/**
 * The views of a post in the list. Where they are not known yet they are asked for together with
 * those of the posts that follow in the list; after a failure nothing is asked any more.
 *
 * @param int $post The post's ID.
 * @return int|null
 */
function listed_views( $post ) {
	static $known = array();
	static $down  = false;
	if ( ! array_key_exists( $post, $known ) && ! $down ) {
		$batch  = batch_from( $post );
		$answer = read_views( $batch );
		$down   = is_wp_error( $answer );
		$known += ( $down ? array() : $answer ) + array_fill_keys( $batch, null );
	}
	return isset( $known[ $post ] ) ? $known[ $post ] : null;
}

/**
 * A post and those behind it in the list. A list of pages holds all pages of the site, of which the
 * screen shows a few.
 *
 * @param int $post The post's ID.
 * @return int[]
 */
function batch_from( $post ) {
	global $wp_query;
	$listed = array_map( 'intval', wp_list_pluck( (array) $wp_query->posts, 'ID' ) );
	$place  = array_search( $post, $listed, true );
	return false === $place ? array( $post ) : array_slice( $listed, $place, BATCH );
}
