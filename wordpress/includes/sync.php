<?php
/**
 * The posts' views in post meta, as `_tally_views`, for columns, queries, themes and the REST API: kept
 * by cron, a hundred posts in a request, written where they have changed. A round begins with the posts
 * that were viewed in the last 24 hours and goes on through all others, the newest first, a few hundred
 * each time. Where the Worker has published nothing new since a round, none begins.
 *
 * The option `tally_views_sync` holds `cursor`, the ID behind which the round goes on (0: none is under
 * way), `round`, what the Worker had published as it began, `done`, the same of the last complete one, and
 * `at`, when that was.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const SYNC = 'tally_views_sync';
const META = '_tally_views';
/** The most requests of a time. */
const SYNC_BATCHES = 10;

/**
 * Goes on with the round.
 *
 * @param array $stats   What read_stats() answers.
 * @param int   $batches The most requests; 0: until the round is complete.
 * @return int|\WP_Error How many posts' views have changed.
 */
function sync_views( $stats, $batches = SYNC_BATCHES ) {
	$state     = wp_parse_args( get_option( SYNC, array() ), array_fill_keys( array( 'cursor', 'round', 'done', 'at' ), '' ) );
	$published = $stats['views'] . ' ' . $stats['published'];
	$changed   = 0;
	if ( ! $state['cursor'] ) {
		if ( $state['done'] === $published ) {
			return 0;
		}
		$state['round']  = $published;
		$state['cursor'] = PHP_INT_MAX;
		$recent          = read_top( 'day' );
		$changed         = is_wp_error( $recent ) ? $recent : sync_posts( own_posts( array_keys( $recent ) ) );
	}
	$left = $batches ? $batches : PHP_INT_MAX;
	while ( $state['cursor'] && $left-- && ! is_wp_error( $changed ) ) {
		$ids     = posts_before( $state['cursor'] );
		$written = sync_posts( $ids );
		$changed = is_wp_error( $written ) ? $written : $changed + $written;
		if ( ! is_wp_error( $written ) ) {
			$state['cursor'] = count( $ids ) < BATCH ? 0 : end( $ids );
		}
	}
	if ( ! $state['cursor'] ) {
		$state['done'] = $state['round'];
		$state['at']   = time();
	}
	update_option( SYNC, $state, false );
	return $changed;
}

/**
 * Has a new round begin, whatever the Worker has published.
 */
function restart_sync() {
	$state = get_option( SYNC );
	if ( is_array( $state ) ) {
		$anew = array(
			'cursor' => '',
			'done'   => '',
		);
		update_option( SYNC, $anew + $state, false );
	}
}

/**
 * Reads and writes the views of some posts.
 *
 * @param int[] $ids At most BATCH IDs.
 * @return int|\WP_Error How many have changed.
 */
function sync_posts( $ids ) {
	$views = $ids ? read_views( $ids ) : array();
	return is_wp_error( $views ) ? $views : write_views( $views );
}

/**
 * Writes those views that have changed.
 *
 * @param int[] $views The views by ID.
 * @return int How many have.
 */
function write_views( $views ) {
	$changed = 0;
	$mirror  = settings()['mirror'];
	update_meta_cache( 'post', array_keys( $views ) );
	foreach ( $views as $id => $count ) {
		$before = get_post_meta( $id, META, true );
		if ( (string) $count === $before || ( 0 === $count && '' === $before ) ) {
			continue;
		}
		update_post_meta( $id, META, $count );
		++$changed;
		// A field that something else has counted in is raised, never lowered.
		if ( '' !== $mirror && $count > (int) get_post_meta( $id, $mirror, true ) ) {
			update_post_meta( $id, $mirror, $count );
		}
	}
	return $changed;
}

/**
 * The views of a post as they were told last.
 *
 * @param int $id The post's ID.
 * @return int|null Null where they are not known yet.
 */
function known_views( $id ) {
	$views = get_post_meta( $id, META, true );
	if ( is_numeric( $views ) ) {
		return (int) $views;
	}
	// After a complete round, a post that the Worker has never seen has no views.
	$state = get_option( SYNC );
	return isset( $state['at'] ) && $state['at'] && (int) get_post_time( 'U', true, $id ) <= $state['at'] ? 0 : null;
}

/**
 * The most viewed posts, by what is kept here.
 *
 * @return int[] The views by ID, the greatest first.
 */
function most_viewed_here() {
	global $wpdb;
	// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- WP_Query would load the posts.
	$rows = $wpdb->get_results( $wpdb->prepare( "SELECT post_id, meta_value FROM $wpdb->postmeta WHERE meta_key = %s ORDER BY meta_value + 0 DESC LIMIT %d", META, BATCH ) );
	return array_filter( array_map( 'intval', wp_list_pluck( $rows, 'meta_value', 'post_id' ) ) );
}

/**
 * Those of the posts that are counted on this site.
 *
 * @param int[] $ids IDs, which may be anything's.
 * @return int[]
 */
function own_posts( $ids ) {
	return $ids ? find_posts( 'ID IN (' . implode( ',', array_map( 'intval', $ids ) ) . ')' ) : array();
}

/**
 * The next posts of a round.
 *
 * @param int $cursor The ID of the last one.
 * @return int[] At most BATCH IDs, the greatest first.
 */
function posts_before( $cursor ) {
	return find_posts( 'ID < ' . (int) $cursor );
}

/**
 * Public posts of the types that are counted.
 *
 * @param string $condition SQL.
 * @return int[] At most BATCH IDs, the greatest first.
 */
function find_posts( $condition ) {
	global $wpdb;
	$types = array_values( post_types() );
	if ( ! $types ) {
		return array();
	}
	$places = implode( ', ', array_fill( 0, count( $types ), '%s' ) );
	// phpcs:disable WordPress.DB -- $places are placeholders, $condition holds integers only; WP_Query cannot begin behind an ID.
	$ids = $wpdb->get_col(
		$wpdb->prepare(
			"SELECT ID FROM $wpdb->posts WHERE $condition AND post_status = 'publish' AND post_type IN ($places) ORDER BY ID DESC LIMIT " . BATCH,
			$types
		)
	);
	// phpcs:enable
	return array_map( 'intval', $ids );
}

/**
 * Forgets all posts' views. The field of a theme stays as it is.
 */
function forget_views() {
	delete_post_meta_by_key( META );
	delete_option( SYNC );
}
