<?php
/**
 * The commands of WP-CLI: `wp tally status|top|sync|import|export`.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

use WP_CLI;

defined( 'ABSPATH' ) || exit;

/**
 * Asks Tally, and keeps what it tells.
 */
class CLI_Command {

	/**
	 * Asks the Worker how it is.
	 *
	 * ## EXAMPLES
	 *
	 *     wp tally status
	 */
	public function status() {
		$this->need_worker();
		$stats = read_stats();
		note_answer( $stats );
		WP_CLI::line( worker() );
		if ( is_wp_error( $stats ) ) {
			$this->fail( $stats );
		}
		WP_CLI::line( status_text() );
		if ( is_copy() ) {
			WP_CLI::warning( __( 'Views are not counted here: this looks like a copy of your site.', 'tally-views' ) );
		}
	}

	/**
	 * Lists the most viewed posts.
	 *
	 * ## OPTIONS
	 *
	 * [--period=<period>]
	 * : all, day, week or month.
	 * ---
	 * default: all
	 * ---
	 *
	 * [--limit=<number>]
	 * : How many posts, up to 50.
	 * ---
	 * default: 10
	 * ---
	 *
	 * [--format=<format>]
	 * : table, csv, json or yaml.
	 * ---
	 * default: table
	 * ---
	 *
	 * @param string[] $args  Nothing.
	 * @param string[] $given The options.
	 */
	public function top( $args, $given ) {
		$this->need_worker();
		$options = top_options( $given );
		$views   = refresh_top( $options['period'] );
		if ( is_wp_error( $views ) ) {
			$this->fail( $views );
		}
		$this->print_posts( top_posts( array_keys( $views ), $options ), $views, $given );
	}

	/**
	 * Reads the views of all posts into post meta, as cron does bit by bit.
	 *
	 * ## EXAMPLES
	 *
	 *     wp tally sync
	 */
	public function sync() {
		$this->need_worker();
		$stats = read_stats();
		if ( is_wp_error( $stats ) ) {
			$this->fail( $stats );
		}
		restart_sync();
		$changed = sync_views( $stats, 0 );
		if ( is_wp_error( $changed ) ) {
			$this->fail( $changed );
		}
		/* translators: %s: number of posts. */
		WP_CLI::success( sprintf( __( 'Posts updated: %s', 'tally-views' ), $changed ) );
	}

	/**
	 * Imports the views that another plugin or the theme has counted. The token is taken from the environment
	 * variable ADMIN_TOKEN. Without a source, lists those that there are.
	 *
	 * ## OPTIONS
	 *
	 * [<source>]
	 * : What to import, such as popular-posts or field:post_views_count.
	 *
	 * [--restart]
	 * : Begins anew where an import has broken off.
	 *
	 * ## EXAMPLES
	 *
	 *     ADMIN_TOKEN=… wp tally import field:post_views_count
	 *
	 * @param string[] $args  The source.
	 * @param string[] $given The options.
	 */
	public function import( $args, $given ) {
		$this->need_worker();
		if ( ! $args ) {
			foreach ( find_sources() as $name => $source ) {
				WP_CLI::line( "$name\t{$source['label']}\t{$source['posts']}" );
			}
			return;
		}
		$token   = (string) getenv( 'ADMIN_TOKEN' );
		$restart = isset( $given['restart'] );
		$posts   = 0;
		do {
			$step = import_step( $args[0], $token, $restart );
			if ( is_wp_error( $step ) ) {
				$this->fail( $step );
			}
			$restart = false;
			$posts  += $step['posts'];
			foreach ( $step['examples'] as $value ) {
				/* translators: %s: the value of a custom field. */
				WP_CLI::warning( sprintf( __( 'Skipped, not a number: %s', 'tally-views' ), $value ) );
			}
		} while ( ! $step['done'] );
		/* translators: %s: number of posts. */
		WP_CLI::success( sprintf( __( 'Posts imported: %s', 'tally-views' ), $posts ) );
	}

	/**
	 * Prints all posts with their views, as they were read last.
	 *
	 * ## OPTIONS
	 *
	 * [--format=<format>]
	 * : csv, json, yaml or table.
	 * ---
	 * default: csv
	 * ---
	 *
	 * @param string[] $args  Nothing.
	 * @param string[] $given The options.
	 */
	public function export( $args, $given ) {
		$posts = get_posts(
			array(
				'post_type'   => array_values( post_types() ),
				'numberposts' => -1,
				'orderby'     => ORDER,
			)
		);
		$this->print_posts( $posts, array(), $given + array( 'format' => 'csv' ) );
	}

	/**
	 * Prints posts.
	 *
	 * @param \WP_Post[] $posts The posts.
	 * @param int[]      $views Their views by ID; those in post meta where they are not among these.
	 * @param string[]   $given The options.
	 */
	private function print_posts( $posts, $views, $given ) {
		$rows = array();
		foreach ( $posts as $post ) {
			$rows[] = array(
				'id'    => $post->ID,
				'views' => isset( $views[ $post->ID ] ) ? $views[ $post->ID ] : known_views( $post->ID ),
				'title' => wp_strip_all_tags( $post->post_title ),
				'url'   => get_permalink( $post ),
			);
		}
		$format = isset( $given['format'] ) ? $given['format'] : 'table';
		WP_CLI\Utils\format_items( $format, $rows, array( 'id', 'views', 'title', 'url' ) );
	}

	/**
	 * Ends the command where no Worker is set.
	 */
	private function need_worker() {
		if ( '' === worker() ) {
			WP_CLI::error( __( 'No Worker is set.', 'tally-views' ) );
		}
	}

	/**
	 * Ends the command with what went wrong.
	 *
	 * @param \WP_Error $error What did.
	 */
	private function fail( $error ) {
		$data = $error->get_error_data();
		WP_CLI::debug( isset( $data['detail'] ) ? $data['detail'] : '', 'tally' );
		WP_CLI::error( $error->get_error_message() );
	}
}
