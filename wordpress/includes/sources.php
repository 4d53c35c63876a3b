<?php
/**
 * What views can be imported from: custom fields, the tables of other plugins, and CSV. Each is read in parts,
 * by a cursor: what follows `0` is the first part.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

/** How many rows or posts are read and sent at once. */
const IMPORT_BATCH = 5000;

/**
 * The tables of other plugins.
 *
 * @return array[] By name: what the plugin is called as `label`, the `table` without the prefix, the columns of
 *                 the posts' IDs (the first that is there) and of the views, and a condition as `where`.
 */
function table_sources() {
	return array(
		'post-views-counter' => array(
			'label' => 'Post Views Counter',
			'table' => 'post_views',
			'ids'   => array( 'id' ),
			'views' => 'count',
			'where' => "type = 4 AND period = 'total'",
		),
		'popular-posts'      => array(
			'label' => 'WordPress Popular Posts',
			'table' => 'popularpostsdata',
			'ids'   => array( 'postid' ),
			'views' => 'pageviews',
			'where' => '1 = 1',
		),
		'koko-analytics'     => array(
			'label' => 'Koko Analytics',
			'table' => 'koko_analytics_post_stats',
			'ids'   => array( 'post_id', 'id' ),
			'views' => 'pageviews',
			'where' => '1 = 1',
		),
	);
}

/**
 * The sources that this site has.
 *
 * @return array[] By name: `label`, and how many `posts` it has views of.
 */
function find_sources() {
	global $wpdb;
	$found = array();
	foreach ( table_sources() as $name => $source ) {
		$column = id_column( $source );
		if ( '' !== $column ) {
			// phpcs:ignore WordPress.DB -- names of table_sources().
			$posts          = (int) $wpdb->get_var( "SELECT COUNT(DISTINCT $column) FROM {$wpdb->prefix}{$source['table']} WHERE {$source['where']}" );
			$found[ $name ] = array(
				'label' => $source['label'],
				'posts' => $posts,
			);
		}
	}
	if ( has_table( 'statify' ) ) {
		$found['statify'] = array(
			'label' => 'Statify',
			'posts' => array_sum( array_map( __NAMESPACE__ . '\count_posts', post_types() ) ),
		);
	}
	foreach ( find_keys() as $key => $posts ) {
		$found[ "field:$key" ] = array(
			/* translators: %s: the name of a custom field. */
			'label' => sprintf( __( 'Custom field %s', 'tally-views' ), $key ) . ( 'views' === $key ? ' (WP-PostViews)' : '' ),
			'posts' => $posts,
		);
	}
	return $found;
}

/**
 * How many public posts of a type there are.
 *
 * @param string $type The type.
 * @return int
 */
function count_posts( $type ) {
	return (int) wp_count_posts( $type )->publish;
}

/**
 * Whether the site has a table.
 *
 * @param string $table Its name without the prefix.
 * @return bool
 */
function has_table( $table ) {
	global $wpdb;
	// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- WordPress does not know other plugins' tables.
	return null !== $wpdb->get_var( $wpdb->prepare( 'SHOW TABLES LIKE %s', $wpdb->esc_like( $wpdb->prefix . $table ) ) );
}

/**
 * The column of the posts' IDs.
 *
 * @param array $source One of table_sources().
 * @return string Empty where the site has no such table.
 */
function id_column( $source ) {
	global $wpdb;
	if ( ! has_table( $source['table'] ) ) {
		return '';
	}
	// phpcs:ignore WordPress.DB -- a name of table_sources().
	$columns = $wpdb->get_col( "SHOW COLUMNS FROM {$wpdb->prefix}{$source['table']}" );
	return (string) current( array_intersect( $source['ids'], $columns ) );
}

/**
 * Reads a part of a source.
 *
 * @param string $name   The source: one of find_sources(), or `field:` and the name of any custom field.
 * @param string $cursor Where the part before has ended; `0` at first.
 * @return array|\WP_Error `views` by ID; `left_out`, what is no count, by ID; and the `cursor`, empty at the end.
 */
function read_source( $name, $cursor ) {
	$tables = table_sources();
	if ( isset( $tables[ $name ] ) && '' !== id_column( $tables[ $name ] ) ) {
		return read_table( $tables[ $name ], (int) $cursor );
	}
	if ( 'statify' === $name && has_table( 'statify' ) ) {
		return read_statify( (int) $cursor );
	}
	if ( 0 === strpos( $name, 'field:' ) && strlen( $name ) > 6 ) {
		return read_field( substr( $name, 6 ), (int) $cursor );
	}
	return new \WP_Error( 'tally_views_no_source', __( 'Choose what to import.', 'tally-views' ), array( 'status' => 400 ) );
}

/**
 * Reads a part of a table.
 *
 * @param array $source One of table_sources().
 * @param int   $last   The last post that was read.
 * @return array As read_source().
 */
function read_table( $source, $last ) {
	global $wpdb;
	$id = id_column( $source );
	// phpcs:disable WordPress.DB -- names of table_sources().
	$rows = $wpdb->get_results(
		$wpdb->prepare(
			"SELECT counted.$id AS post_id, SUM(counted.{$source['views']}) AS views FROM {$wpdb->prefix}{$source['table']} AS counted
			INNER JOIN $wpdb->posts ON $wpdb->posts.ID = counted.$id AND post_type <> 'revision'
			WHERE counted.$id > %d AND {$source['where']} GROUP BY counted.$id ORDER BY counted.$id LIMIT %d",
			$last,
			IMPORT_BATCH
		)
	);
	// phpcs:enable
	return sort_out( wp_list_pluck( $rows, 'views', 'post_id' ), IMPORT_BATCH === count( $rows ) ? end( $rows )->post_id : '' );
}

/**
 * Reads a part of Statify's table, which has a row for each view of an address: looks up those of the next posts.
 *
 * @param int $last The last post that was read.
 * @return array As read_source().
 */
function read_statify( $last ) {
	global $wpdb;
	$query = new \WP_Query();
	$after = function ( $where ) use ( $last, $wpdb ) {
		return $where . $wpdb->prepare( " AND $wpdb->posts.ID > %d", $last );
	};
	add_filter( 'posts_where', $after );
	$posts = $query->query(
		array(
			'post_type'              => array_values( post_types() ),
			'post_status'            => 'publish',
			'orderby'                => 'ID',
			'order'                  => 'ASC',
			'posts_per_page'         => BATCH,
			'no_found_rows'          => true,
			'update_post_meta_cache' => false,
		)
	);
	remove_filter( 'posts_where', $after );
	$ids = array();
	foreach ( $posts as $post ) {
		$path = substr( get_permalink( $post ), strlen( untrailingslashit( home_url() ) ) );
		foreach ( array( $path, untrailingslashit( $path ), trailingslashit( $path ) ) as $target ) {
			$ids[ $target ] = $post->ID;
		}
	}
	$views = array();
	$rows  = $ids ? count_targets( array_keys( $ids ) ) : array();
	foreach ( $rows as $row ) {
		$id           = isset( $ids[ $row->target ] ) ? $ids[ $row->target ] : 0;
		$views[ $id ] = ( isset( $views[ $id ] ) ? $views[ $id ] : 0 ) + (int) $row->views;
	}
	unset( $views[0] );
	return sort_out( $views, count( $posts ) < BATCH ? '' : end( $posts )->ID );
}

/**
 * How often addresses were viewed.
 *
 * @param string[] $targets Addresses as Statify keeps them.
 * @return object[] `target` and `views`.
 */
function count_targets( $targets ) {
	global $wpdb;
	$places = implode( ', ', array_fill( 0, count( $targets ), '%s' ) );
	// phpcs:ignore WordPress.DB -- $places are placeholders.
	return $wpdb->get_results( $wpdb->prepare( "SELECT target, COUNT(*) AS views FROM {$wpdb->prefix}statify WHERE target IN ($places) GROUP BY target", $targets ) );
}

/**
 * Reads a part of a custom field, of which a post may have several.
 *
 * @param string $key  The name of the field.
 * @param int    $last The `meta_id` of the last one that was read.
 * @return array As read_source().
 */
function read_field( $key, $last ) {
	global $wpdb;
	// phpcs:disable WordPress.DB.DirectDatabaseQuery -- each row is read once; WordPress has no function for that.
	$rows = $wpdb->get_results(
		$wpdb->prepare(
			"SELECT meta_id, post_id, meta_value FROM $wpdb->postmeta
			INNER JOIN $wpdb->posts ON ID = post_id AND post_type <> 'revision'
			WHERE meta_key = %s AND meta_id > %d ORDER BY meta_id LIMIT %d",
			$key,
			$last,
			IMPORT_BATCH
		)
	);
	// phpcs:enable
	$part = sort_out( array(), IMPORT_BATCH === count( $rows ) ? end( $rows )->meta_id : '' );
	foreach ( $rows as $row ) {
		$part = add_value( $part, (int) $row->post_id, $row->meta_value );
	}
	return $part;
}

/**
 * Reads lines of CSV, such as WordPress.com's (Jetpack's) list of posts: an ID or an address, and a number. A line
 * without a number, as the first one may be, is left out, and so is one that is of no post.
 *
 * @param string[] $lines The lines.
 * @return array As read_source(); what is left out is told by line.
 */
function read_csv( $lines ) {
	$part = sort_out( array(), '' );
	foreach ( $lines as $line ) {
		$cells   = array_map( 'trim', str_getcsv( (string) $line, ',', '"', '' ) );
		$address = current( preg_grep( '#^(https?:/)?/#i', $cells ) );
		$id      = false === $address ? (int) $cells[0] : post_at( $address );
		$counts  = array_filter( array_map( __NAMESPACE__ . '\count_of', array_slice( $cells, 1 ) ), 'is_int' );
		if ( $id > 0 && $counts && get_post( $id ) ) {
			$part = add_value( $part, $id, (string) current( $counts ) );
		} elseif ( '' !== trim( (string) $line ) ) {
			$part['left_out'][] = wp_html_excerpt( $line, 60, '…' );
		}
	}
	return $part;
}

/**
 * The post at an address.
 *
 * @param string $address An address, or a path.
 * @return int Its ID; 0 where there is none.
 */
function post_at( $address ) {
	return url_to_postid( preg_match( '#^/[^/]#', $address ) ? home_url( $address ) : $address );
}

/**
 * A part of views that are sums already.
 *
 * @param array  $sums   The views by ID.
 * @param string $cursor Where the part ends.
 * @return array As read_source().
 */
function sort_out( $sums, $cursor ) {
	$part = array(
		'views'    => array(),
		'left_out' => array(),
		'cursor'   => (string) $cursor,
	);
	foreach ( $sums as $id => $views ) {
		$part = add_value( $part, (int) $id, (string) $views );
	}
	return $part;
}

/**
 * Adds a value to a part: the greater one where a post has several.
 *
 * @param array  $part  What read_source() answers.
 * @param int    $id    The post's ID.
 * @param string $value The value.
 * @return array
 */
function add_value( $part, $id, $value ) {
	$views = count_of( $value );
	if ( null === $views ) {
		$part['left_out'][] = $id . ': ' . wp_html_excerpt( $value, 40, '…' );
	} elseif ( $views > ( isset( $part['views'][ $id ] ) ? $part['views'][ $id ] : 0 ) ) {
		$part['views'][ $id ] = $views;
	}
	return $part;
}

/**
 * The count that a text stands for, as people write it: `1534`, `1,534`, `1.534`, `1 534`.
 *
 * @param string $text The text.
 * @return int|null
 */
function count_of( $text ) {
	$text = trim( $text );
	if ( preg_match( '/^\d{1,3}([.,\' ]|\x{a0}|\x{202f})\d{3}(\1\d{3})*$/Du', $text ) ) {
		$text = preg_replace( '/\D/', '', $text );
	}
	return preg_match( '/^\d{1,15}$/D', $text ) ? (int) $text : null;
}

/**
 * Those of the custom fields in which views are usually counted that this site has.
 *
 * @return int[] By name, how many posts have it.
 */
function find_keys() {
	global $wpdb;
	/**
	 * Filters the names of custom fields that are looked for.
	 *
	 * @param string[] $keys Names.
	 */
	$keys = (array) apply_filters( 'tally_views_meta_keys', array( 'view_count', 'views', 'view', 'views_count', 'post_views', '_post_views', 'post_view_count', 'post_views_count', '_post_views_count', 'wpb_post_views_count', 'page_views', 'hits' ) );
	if ( ! $keys ) {
		return array();
	}
	$places = implode( ', ', array_fill( 0, count( $keys ), '%s' ) );
	// phpcs:disable WordPress.DB -- $places are placeholders; WordPress has no function for that.
	$rows = $wpdb->get_results(
		$wpdb->prepare(
			"SELECT meta_key, COUNT(DISTINCT post_id) AS posts FROM $wpdb->postmeta
			INNER JOIN $wpdb->posts ON ID = post_id AND post_type <> 'revision'
			WHERE meta_key IN ($places) GROUP BY meta_key ORDER BY posts DESC",
			array_values( $keys )
		)
	);
	// phpcs:enable
	return array_map( 'intval', wp_list_pluck( $rows, 'posts', 'meta_key' ) );
}
