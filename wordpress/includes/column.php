<?php
/**
 * The column "Views" in the lists of posts, which can be sorted. It shows what post meta holds (sync.php),
 * so no list waits for the Worker.
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
		add_filter( "manage_edit-{$type}_sortable_columns", __NAMESPACE__ . '\make_sortable' );
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
 * Has the column sort the list, the most viewed first.
 *
 * @param array $columns The columns that do.
 * @return array
 */
function make_sortable( $columns ) {
	$columns[ COLUMN ] = array( ORDER, true );
	return $columns;
}

/**
 * Keeps the column as narrow as its numbers.
 */
function print_column_style() {
	echo '<style>.fixed .column-' . esc_attr( COLUMN ) . ' { width: 6em; }</style>';
}

/**
 * Prints a post's views, a dash where they are not known.
 *
 * @param string $column The column.
 * @param int    $post   The post's ID.
 */
function print_cell( $column, $post ) {
	if ( COLUMN !== $column ) {
		return;
	}
	$views = known_views( (int) $post );
	if ( null === $views ) {
		printf( '<span aria-hidden="true">–</span><span class="screen-reader-text">%s</span>', esc_html__( 'Not known yet', 'tally-views' ) );
	} else {
		echo esc_html( number_format_i18n( $views ) );
	}
}
