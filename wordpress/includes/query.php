<?php
/**
 * The posts' views in queries and in the REST API: `orderby=tally_views` for WP_Query and for the
 * collections of posts, and the field `tally_views`, which is null where the views are not known.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const ORDER = 'tally_views';

add_action( 'pre_get_posts', __NAMESPACE__ . '\let_order' );
add_filter( 'posts_clauses', __NAMESPACE__ . '\order_by_views', 10, 2 );
add_action( 'rest_api_init', __NAMESPACE__ . '\add_rest_field' );

/**
 * Which way a query is ordered by views.
 *
 * @param \WP_Query $query The query.
 * @return string `ASC` or `DESC`; empty where it is ordered by something else.
 */
function views_order( $query ) {
	$by    = $query->get( 'orderby' );
	$order = $query->get( 'order' );
	if ( is_array( $by ) && isset( $by[ ORDER ] ) ) {
		$order = $by[ ORDER ];
	} elseif ( ! is_string( $by ) || ! in_array( ORDER, explode( ' ', $by ), true ) ) {
		return '';
	}
	return is_string( $order ) && 'ASC' === strtoupper( $order ) ? 'ASC' : 'DESC';
}

/**
 * Has WordPress ask order_by_views(), which it does not where get_posts() is used.
 *
 * @param \WP_Query $query The query.
 */
function let_order( $query ) {
	if ( '' !== views_order( $query ) ) {
		$query->set( 'suppress_filters', false );
	}
}

/**
 * Puts the views before what else the query is ordered by. Posts without views are like those with none.
 *
 * @param string[]  $clauses The parts of the SQL.
 * @param \WP_Query $query   The query.
 * @return string[]
 */
function order_by_views( $clauses, $query ) {
	global $wpdb;
	$order = views_order( $query );
	if ( '' === $order ) {
		return $clauses;
	}
	$clauses['join']   .= $wpdb->prepare( " LEFT JOIN $wpdb->postmeta AS tally_views ON tally_views.post_id = $wpdb->posts.ID AND tally_views.meta_key = %s", META );
	$others             = array_filter( array( trim( $clauses['orderby'] ), "$wpdb->posts.post_date DESC, $wpdb->posts.ID DESC" ) );
	$clauses['orderby'] = "COALESCE(tally_views.meta_value, 0) + 0 $order, " . implode( ', ', $others );
	return $clauses;
}

/**
 * Tells the REST API of the field and of the order.
 */
function add_rest_field() {
	foreach ( post_types() as $type ) {
		register_rest_field(
			$type,
			ORDER,
			array(
				'get_callback' => __NAMESPACE__ . '\rest_views',
				'schema'       => array(
					'description' => __( 'How often the post was viewed.', 'tally-views' ),
					'type'        => array( 'integer', 'null' ),
					'context'     => array( 'view', 'edit', 'embed' ),
					'readonly'    => true,
				),
			)
		);
		add_filter( "rest_{$type}_collection_params", __NAMESPACE__ . '\add_rest_order' );
	}
}

/**
 * The field of a post.
 *
 * @param array $post The post, as the REST API tells it.
 * @return int|null
 */
function rest_views( $post ) {
	return known_views( (int) $post['id'] );
}

/**
 * Adds the order to those that a collection takes.
 *
 * @param array[] $params The parameters.
 * @return array[]
 */
function add_rest_order( $params ) {
	if ( isset( $params['orderby']['enum'] ) ) {
		$params['orderby']['enum'][] = ORDER;
	}
	return $params;
}
