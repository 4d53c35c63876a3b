<?php
/**
 * Fetches what is shown from the Worker, by cron, every five minutes: the lists that are wanted, the
 * week, and the views in post meta (sync.php). Where page caches keep cron from running, a browser that
 * shows an old list asks the REST API (rest.php), which fetches that one.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const REFRESH      = 'tally_views_refresh';
const REFRESH_SOON = 'tally_views_refresh_soon';

add_filter( 'cron_schedules', __NAMESPACE__ . '\add_schedule' ); // phpcs:ignore WordPress.WP.CronInterval.ChangeDetected -- five minutes is how old a list may be.
add_action( 'init', __NAMESPACE__ . '\schedule_refresh' );
add_action( REFRESH, __NAMESPACE__ . '\refresh' );
add_action( REFRESH_SOON, __NAMESPACE__ . '\refresh' );
add_action( 'update_option_' . SETTINGS, __NAMESPACE__ . '\heed_settings', 10, 0 );
add_action( 'add_option_' . SETTINGS, __NAMESPACE__ . '\heed_settings', 10, 0 );
add_action( 'deleted_post', __NAMESPACE__ . '\heed_deletion', 10, 2 );
add_action( 'trashed_post', __NAMESPACE__ . '\heed_deletion' );

/**
 * Adds the interval to those of WordPress.
 *
 * @param array[] $schedules The intervals.
 * @return array[]
 */
function add_schedule( $schedules ) {
	$schedules['tally_views_five_minutes'] = array(
		'interval' => FRESH,
		// Before `init`, where nothing may be translated yet.
		'display'  => did_action( 'init' ) ? __( 'Every five minutes', 'tally-views' ) : 'Every five minutes',
	);
	return $schedules;
}

/**
 * Has cron refresh, if there is a Worker to ask.
 */
function schedule_refresh() {
	$is_scheduled = (bool) wp_next_scheduled( REFRESH );
	if ( '' !== worker() && ! $is_scheduled ) {
		wp_schedule_event( time() + 10, 'tally_views_five_minutes', REFRESH );
	}
	if ( '' === worker() && $is_scheduled ) {
		unschedule_refresh();
	}
}

/**
 * Has cron refresh once more, as soon as it runs.
 */
function refresh_soon() {
	if ( '' !== worker() && ! wp_next_scheduled( REFRESH_SOON ) ) {
		wp_schedule_single_event( time(), REFRESH_SOON );
	}
}

/**
 * Takes all that was planned out of cron.
 */
function unschedule_refresh() {
	wp_clear_scheduled_hook( REFRESH );
	wp_clear_scheduled_hook( REFRESH_SOON );
}

/**
 * Fetches all that is not fresh, unless the Worker has just failed or another process is at it.
 *
 * @return array|\WP_Error|null What read_stats() answers; null where nothing was asked.
 */
function refresh() {
	forget_others();
	if ( ! may_ask() || ! lock( MINUTE_IN_SECONDS ) ) {
		return null;
	}
	$stats = read_stats();
	note_answer( $stats );
	if ( ! is_wp_error( $stats ) ) {
		$failed = refresh_all( $stats );
		if ( is_wp_error( $failed ) ) {
			note_answer( $failed );
			$stats = $failed;
		}
	}
	unlock();
	return $stats;
}

/**
 * Fetches all that is not fresh.
 *
 * @param array $stats What read_stats() answers.
 * @return true|\WP_Error The first error, after which nothing more is asked.
 */
function refresh_all( $stats ) {
	$failed = sync_views( $stats );
	if ( is_wp_error( $failed ) ) {
		return $failed;
	}
	foreach ( PERIODS as $period ) {
		$kept   = get_option( TOP . $period );
		$failed = is_array( $kept ) && fresh_until( $kept ) - MINUTE_IN_SECONDS <= time() ? refresh_top( $period ) : null;
		if ( is_wp_error( $failed ) ) {
			return $failed;
		}
	}
	$week = get_option( WEEK );
	if ( ! is_array( $week ) || $week['at'] + HOUR_IN_SECONDS <= time() ) {
		$failed = refresh_week();
	}
	return is_wp_error( $failed ) ? $failed : true;
}

/**
 * Fetches a list.
 *
 * @param string $period One of PERIODS.
 * @return int[]|\WP_Error The views by ID.
 */
function refresh_top( $period ) {
	$views = read_top( $period );
	if ( is_wp_error( $views ) ) {
		return $views;
	}
	// So that lists, columns and queries tell the same.
	if ( 'all' === $period ) {
		$own = array_intersect_key( $views, array_flip( own_posts( array_keys( $views ) ) ) );
		write_views( $own );
		// What is no post of this site leaves no room for those that are: their totals are known here.
		if ( count( $own ) < count( $views ) ) {
			$views += most_viewed_here();
			arsort( $views );
		}
	}
	keep_top( $period, $views );
	return $views;
}

/**
 * Fetches the views of the last days.
 *
 * @return int[]|\WP_Error The views by day.
 */
function refresh_week() {
	$days = read_days();
	if ( ! is_wp_error( $days ) ) {
		$kept = array(
			'at'   => time(),
			'days' => $days,
		);
		update_option( WEEK, $kept, false );
	}
	return $days;
}

/**
 * New settings show at once.
 */
function heed_settings() {
	forget_others();
	mark_stale();
}

/**
 * What was kept of another Worker, or under another prefix, is not this one's.
 */
function forget_others() {
	$source = worker() . ' ' . prefix();
	if ( get_option( SOURCE ) !== $source ) {
		forget_kept();
		forget_views();
		update_option( SOURCE, $source, false );
	}
}

/**
 * Lists are fetched afresh where a post that is counted has gone.
 *
 * @param int           $id   The post's ID.
 * @param \WP_Post|null $post The post.
 */
function heed_deletion( $id, $post = null ) {
	$post = $post instanceof \WP_Post ? $post : get_post( $id );
	if ( $post && in_array( $post->post_type, post_types(), true ) && '' !== worker() ) {
		mark_stale();
	}
}
