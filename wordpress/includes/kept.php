<?php
/**
 * What the Worker has told last, for everybody who asks afterwards. Each is an option of its own, not
 * loaded with the others:
 *
 * - `tally_views_top_PERIOD`: a list of the most viewed posts, as `at`, when it was told (0: never),
 *   and `views`, by ID. The option is there from when the list was first wanted.
 * - `tally_views_week`: the views of the last days, as `at` and `days`.
 * - `tally_views_health`: how the Worker is, see health().
 * - `tally_views_source`: which Worker has told all that, and under which prefix.
 * - `tally_views_lock`: until when one process asks, and no other.
 *
 * Lists hold numbers only: which posts may be shown, their titles and links are looked up each time.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const TOP     = 'tally_views_top_';
const WEEK    = 'tally_views_week';
const HEALTH  = 'tally_views_health';
const LOCK    = 'tally_views_lock';
const SOURCE  = 'tally_views_source';
const PERIODS = array( 'all', 'day', 'week', 'month' );
/** How many seconds a list is kept, and one in which nothing is. */
const FRESH       = 5 * MINUTE_IN_SECONDS;
const FRESH_EMPTY = MINUTE_IN_SECONDS;
/** For how many seconds the Worker is left alone when it has failed. */
const PAUSE = MINUTE_IN_SECONDS;

/**
 * A list as it was told last. One that nobody has wanted before is fetched from now on.
 *
 * @param string $period One of PERIODS.
 * @return array `at` and `views`.
 */
function kept_top( $period ) {
	$kept = get_option( TOP . $period );
	if ( is_array( $kept ) && isset( $kept['at'], $kept['views'] ) ) {
		return $kept;
	}
	$kept = array(
		'at'    => 0,
		'views' => array(),
	);
	add_option( TOP . $period, $kept, '', false );
	refresh_soon();
	return $kept;
}

/**
 * Keeps a list.
 *
 * @param string $period One of PERIODS.
 * @param int[]  $views  The views by ID.
 */
function keep_top( $period, $views ) {
	$kept = array(
		'at'    => time(),
		'views' => $views,
	);
	update_option( TOP . $period, $kept, false );
}

/**
 * Until when a list need not be fetched.
 *
 * @param array $kept What kept_top() answers.
 * @return int A time.
 */
function fresh_until( $kept ) {
	return $kept['at'] + ( $kept['views'] ? FRESH : FRESH_EMPTY );
}

/**
 * How the Worker is.
 *
 * @return array `at`, when it has answered last (0: never); `views` and `posts`, what it has told then;
 *               `since`, since when it fails (0: it does not); `tried`, when it has failed last; `why`.
 */
function health() {
	$defaults = array(
		'at'    => 0,
		'views' => 0,
		'posts' => 0,
		'since' => 0,
		'tried' => 0,
		'why'   => '',
	);
	return wp_parse_args( get_option( HEALTH, array() ), $defaults );
}

/**
 * Notes how a request went.
 *
 * @param array|\WP_Error $answer What the Worker has told: an error, or what read_stats() answers, or
 *                                anything else that is not an error.
 */
function note_answer( $answer ) {
	$health = health();
	if ( is_wp_error( $answer ) ) {
		$health['since'] = $health['since'] ? $health['since'] : time();
		$health['tried'] = time();
		$health['why']   = $answer->get_error_message();
	} else {
		$told   = array_intersect_key( $answer, array_flip( array( 'views', 'posts' ) ) );
		$health = array_merge( $health, isset( $told['views'], $told['posts'] ) ? $told : array() );
		$health = array_merge(
			$health,
			array(
				'at'    => time(),
				'since' => 0,
				'why'   => '',
			)
		);
	}
	update_option( HEALTH, $health, false );
}

/**
 * Whether the Worker may be asked: it has an address, and has not just failed.
 *
 * @return bool
 */
function may_ask() {
	$health = health();
	return '' !== worker() && ( ! $health['since'] || $health['tried'] + PAUSE <= time() );
}

/**
 * Takes the lock, so that one process asks the Worker and the others go on with what is kept.
 *
 * @param int $seconds After how long it opens by itself.
 * @return bool Whether it was free.
 */
function lock( $seconds ) {
	global $wpdb;
	// phpcs:disable WordPress.DB.DirectDatabaseQuery -- it has to be one step, past all caches.
	$wpdb->query( $wpdb->prepare( "INSERT IGNORE INTO $wpdb->options (option_name, option_value, autoload) VALUES (%s, '0', 'no')", LOCK ) );
	$taken = $wpdb->query( $wpdb->prepare( "UPDATE $wpdb->options SET option_value = %d WHERE option_name = %s AND option_value + 0 <= %d", time() + $seconds, LOCK, time() ) );
	// phpcs:enable
	return 1 === $taken;
}

/**
 * Opens the lock.
 */
function unlock() {
	global $wpdb;
	// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- as in lock().
	$wpdb->query( $wpdb->prepare( "UPDATE $wpdb->options SET option_value = '0' WHERE option_name = %s", LOCK ) );
}

/**
 * Has everything fetched afresh, soon: what is kept may be shown until then.
 */
function mark_stale() {
	foreach ( PERIODS as $period ) {
		$kept = get_option( TOP . $period );
		if ( is_array( $kept ) ) {
			update_option( TOP . $period, array( 'at' => 0 ) + $kept, false );
		}
	}
	$week = get_option( WEEK );
	if ( is_array( $week ) ) {
		update_option( WEEK, array( 'at' => 0 ) + $week, false );
	}
	restart_sync();
	refresh_soon();
}

/**
 * Forgets what was told, as by a Worker that is no longer asked.
 */
function forget_kept() {
	foreach ( PERIODS as $period ) {
		delete_option( TOP . $period );
	}
	foreach ( array( WEEK, HEALTH, LOCK, SYNC, SOURCE ) as $option ) {
		delete_option( $option );
	}
}
